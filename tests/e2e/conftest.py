"""The product as a person meets it: the built page in headless Chromium, on real servers."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, async_playwright

from jobstream_local import page as built
from tests.support.api import Api
from tests.support.product import Product, Servers

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(
            f"no browser: none of {', '.join(BROWSERS)} is on PATH (on Debian: apt-get install chromium)"
        )
    return found


@pytest.fixture(scope="package")
def product(chromium: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("e2e")
    built.build(home / "page.log")
    product = Product(home, servers=servers, page=built.dist())
    product.up()
    yield product
    product.down()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def api(product: Product) -> AsyncIterator[Api]:
    async with product.api() as api:
        yield api

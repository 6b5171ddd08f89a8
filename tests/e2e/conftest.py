"""The product from outside: a browser, the web server with the built page, and a proxy that can be cut between them."""

import re
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from jobstream_local import page as built_page
from tests.support.api import Api
from tests.support.product import Product, Servers
from tests.support.proxy import Proxy


@pytest.fixture(
    scope="module"
)  # not longer: its workers are members of groups that the next product shall have alone
def product(chromium: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("e2e")
    built_page.build(home / "page.log")
    product = Product(home, servers=servers, page=built_page.dist())
    product.up()
    yield product
    product.down()


@pytest.fixture
async def api(product: Product) -> AsyncIterator[Api]:
    async with product.api() as api:
        yield api


@pytest.fixture
async def proxy(product: Product) -> AsyncIterator[Proxy]:
    """What stands between the browser and the web server."""
    async with Proxy(urlsplit(product.stack.web_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, proxy: Proxy) -> AsyncIterator[Page]:
    """A desk's window on the page, behind the proxy; what the page complains of fails the test."""
    context = await browser.new_context(base_url=proxy.url, viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if _complains(said) else None)
    yield page
    await context.close()
    assert not complaints


def _complains(said: ConsoleMessage) -> bool:
    """Whether this is the page's fault; that a network or a server is away is the browser's own remark."""
    return said.type == "error" and not re.search(r"ERR_|status of 50[23]", said.text)

"""Pictures on the page, in a real browser whose network log is read: named, held open by a blur, fetched once."""

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from jobstream_local import page as built_page
from tests.support.api import Api
from tests.support.openverse import Openverse
from tests.support.page import SOON, submit_search
from tests.support.product import Product, Servers
from tests.support.proxy import Proxy
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)

HOSTILE = "<img src=x onerror=\"document.title='pwned'\">"


@pytest.fixture(scope="module")
def openverse() -> Iterator[Openverse]:
    with Openverse() as stand_in:
        stand_in.changes = {"creator": HOSTILE, "creator_url": "javascript:document.title='pwned'"}
        yield stand_in


@pytest.fixture(scope="module")
def product(
    chromium: str, servers: Servers, openverse: Openverse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Its workers find pictures elsewhere and show them from here."""
    home = tmp_path_factory.mktemp("e2e-pictures")
    built_page.build(home / "page.log")
    env = {"IMAGES__PROVIDER": "openverse", "OPENVERSE__BASE_URL": openverse.base_url}
    product = Product(home, servers=servers, page=built_page.dist(), env=env)
    product.up()
    yield product
    product.down()


class NetworkLog:
    """What the browser has fetched over the network, and not from its own caches, by path."""

    def __init__(self) -> None:
        self.fetched: Counter[str] = Counter()
        self.cached: Counter[str] = Counter()

    async def watch(self, page: Page) -> None:
        session = await page.context.new_cdp_session(page)
        from_memory: set[str] = set()
        session.on("Network.requestServedFromCache", lambda event: from_memory.add(event["requestId"]))

        def received(event: dict[str, object]) -> None:
            response = event["response"]
            assert isinstance(response, dict)
            is_cached = event["requestId"] in from_memory or response.get("fromDiskCache")
            kept = self.cached if is_cached else self.fetched
            kept[urlsplit(str(response["url"])).path] += 1

        session.on("Network.responseReceived", received)
        await session.send("Network.enable")

    def pictures(self) -> dict[str, int]:
        return {path: count for path, count in self.fetched.items() if path.startswith("/images/")}


async def see_pictures(page: Page) -> None:
    """Wait until the search has ended well: ten pictures are decoded, two at a time."""
    await expect(page.get_by_test_id("job-state")).to_have_attribute(
        "data-state", "succeeded", timeout=90_000
    )


async def all_here(page: Page, count: int) -> None:
    """Wait until so many pictures are shown."""
    images = page.locator("[data-testid=picture] img[data-state=here]")
    await expect(images).to_have_count(count, timeout=SOON)


async def test_a_hosted_picture_is_fetched_once_however_often_its_page_is_opened(
    browser: Browser, proxy: Proxy, openverse: Openverse
) -> None:
    context = await browser.new_context(base_url=proxy.url, viewport={"width": 1280, "height": 1600})
    page = await context.new_page()
    log = NetworkLog()
    await log.watch(page)

    await submit_search(page, "mountains at dawn")
    await see_pictures(page)
    shown = await page.get_by_test_id("picture").count()
    assert shown == 10
    await all_here(page, shown)
    first = log.pictures()
    assert len(first) == shown, "each in one size: the one that is needed"
    assert set(first.values()) == {1}

    await page.get_by_role("link", name="Jobs", exact=True).first.click()
    await page.wait_for_url(re.compile(r"/ui/jobs(\?|$)"))
    await page.go_back()
    await all_here(page, shown)
    await page.reload()
    await all_here(page, shown)
    assert log.pictures() == first, "neither coming back nor a reload has fetched one again"
    assert sum(count for path, count in log.cached.items() if path in first) >= shown, "the cache was asked"

    await page.get_by_test_id("picture").first.click()
    large = page.locator(".lightbox img[data-state=here]")
    await expect(large).to_be_visible(timeout=SOON)
    await page.keyboard.press("Escape")
    await page.get_by_test_id("picture").first.click()
    await expect(large).to_be_visible(timeout=SOON)
    assert set(log.pictures().values()) == {1}
    assert len(openverse.fetched) == len(set(openverse.fetched)) == shown, "nor have the workers"
    await context.close()


async def test_each_picture_stands_with_its_maker_its_licence_and_its_source_and_none_is_a_script(
    page: Page,
) -> None:
    await submit_search(page, "mountains at dawn")
    await see_pictures(page)
    named = page.locator(".gallery .attribution")
    await expect(named).to_have_count(10, timeout=SOON)
    await expect(named.nth(0)).to_have_text(f"Photo by {HOSTILE} on Openverse, CC BY 2.0 · source")
    await expect(named.nth(1)).to_have_text("Photo by Maker 1 on Openverse, CC0 1.0 · source")
    assert await page.locator("img[onerror], a[href^='javascript']").count() == 0
    assert await page.title() != "pwned"
    for name in ("Openverse", "CC BY 2.0", "source"):
        link = named.nth(0).get_by_role("link", name=name)
        assert await link.get_attribute("rel") == "noopener noreferrer"
        assert str(await link.get_attribute("href")).startswith("https://")


async def test_a_picture_that_is_not_there_yet_has_its_room_and_its_blur(page: Page) -> None:
    await page.route("**/images/*", lambda route: route.abort())
    await submit_search(page, "mountains at dawn")
    await see_pictures(page)
    first = page.get_by_test_id("picture").first
    await expect(first.locator("canvas.blur")).to_be_visible(timeout=SOON)
    box = await first.bounding_box()
    assert box is not None
    assert box["height"] > 100
    assert abs(box["width"] / box["height"] - 1080 / 810) < 0.05
    painted = await first.locator("canvas").evaluate(
        "c => new Set(c.getContext('2d').getImageData(0, 0, 32, 32).data).size"
    )
    assert painted > 4, "a blur of more than one colour"


async def test_a_picture_goes_when_no_job_shows_it_any_more(product: Product, api: Api) -> None:
    quick = {"RETENTION__SUCCEEDED": "1", "IMAGES__GRACE": "0", "IMAGES__SWEEP_EVERY": "0.2"}
    async with product.having("job-worker", IMAGES__PROVIDER="sample", **quick):
        job = await api.submit("image.search", {"query": "what goes again", "count": 1})
        view = await api.finish(job, within=60)
        address = view["result"]["images"][0]["urls"]["thumb"]

        async def gone() -> bool:
            return (await api.get(address)).status_code == 404

        await until(gone, within=30, what="the picture to be deleted")
        again = await api.finish(
            await api.submit("image.search", {"query": "what goes again", "count": 1}), within=60
        )
        assert again["result"]["images"][0]["urls"]["thumb"] == address, (
            "and is drawn again when it is asked for"
        )

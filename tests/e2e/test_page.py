"""A person submits jobs, watches them, and loses the connection."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.support.api import Api
from tests.support.product import Product
from tests.support.proxy import Proxy
from tests.support.waiting import until

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


async def opened(browser: Browser, url: str, *, size: ViewportSize = DESKTOP) -> Page:
    page = await browser.new_page(viewport=size)
    page.set_default_timeout(20_000)
    await page.goto(url)
    return page


async def see_state(page: Page, state: str, *, within: float = 30) -> None:
    await expect(page.get_by_test_id("job-state")).to_have_attribute(
        "data-state", state, timeout=within * 1000
    )


async def see_connection(page: Page, state: str, *, within: float = 30) -> None:
    there = page.get_by_test_id("connection").locator("visible=true").first
    await expect(there).to_have_attribute("data-state", state, timeout=within * 1000)


async def submit_pictures(page: Page, words: str) -> str:
    """Fill in the form as a person does and return the id of the job whose page it leads to."""
    await page.get_by_text("image.search", exact=True).first.click()
    await page.get_by_label("Query").fill(words)
    await page.get_by_role("button", name="Submit job").click()
    await page.wait_for_url("**/ui/jobs/*")
    return urlsplit(page.url).path.rpartition("/")[2]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_submitted_search_is_watched_live_to_its_pictures(
    product: Product, browser: Browser, size: ViewportSize
) -> None:
    page = await opened(browser, f"{product.stack.web_url}/ui/new", size=size)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await submit_pictures(page, f"fjords on a {size['width']} screen")
    await see_state(page, "succeeded")
    pictures = page.get_by_test_id("picture")
    await expect(pictures).to_have_count(10)
    first = pictures.first.locator("img")
    await expect(first).to_have_js_property("complete", True)
    assert await first.evaluate("picture => picture.naturalWidth") > 0
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= size["width"]
    assert wrong == []


async def test_a_job_page_that_lost_its_connection_finds_it_again_and_shows_the_exact_state(
    product: Product, api: Api, browser: Browser
) -> None:
    async with Proxy(urlsplit(product.stack.web_url).port or 0) as proxy:
        job = await api.submit("sleep", {"seconds": 4})
        page = await opened(browser, f"{proxy.url}/ui/jobs/{job}")
        await see_state(page, "running")
        await see_connection(page, "live")
        await page.evaluate("window.neverReloaded = true")
        await proxy.refuse()
        await see_connection(page, "reconnecting")
        await api.finish(job, within=30)
        await see_state(page, "running", within=1)
        await proxy.heal()
        await see_state(page, "succeeded")
        view = await api.view(job)
        moment = f"{view['version']}.{view['revision']}"
        await expect(page.get_by_text(moment, exact=True).first).to_be_visible()
        assert await page.evaluate("window.neverReloaded")


async def test_a_list_that_lost_its_connection_shows_what_happened_meanwhile(
    product: Product, api: Api, browser: Browser
) -> None:
    async with Proxy(urlsplit(product.stack.web_url).port or 0) as proxy:
        running = await api.submit("sleep", {"seconds": 4})
        page = await opened(browser, f"{proxy.url}/ui/jobs")
        row = page.locator(f"[data-testid=job-row][data-job-id='{running}']")
        await expect(row).to_have_attribute("data-state", "running")
        await see_connection(page, "live")
        await proxy.refuse()
        await see_connection(page, "reconnecting")
        later = await api.submit("noop")
        await api.finish(running, within=30)
        await proxy.heal()
        await see_connection(page, "live")
        await expect(row).to_have_attribute("data-state", "succeeded")
        new = page.locator(f"[data-testid=job-row][data-job-id='{later}']")
        await expect(new).to_have_attribute("data-state", "succeeded")


async def test_the_list_shows_new_jobs_as_they_come_and_a_click_on_a_row_opens_its_job(
    product: Product, api: Api, browser: Browser
) -> None:
    page = await opened(browser, f"{product.stack.web_url}/ui/jobs")
    await see_connection(page, "live")
    job = await api.submit("noop")
    row = page.locator(f"[data-testid=job-row][data-job-id='{job}']")
    await expect(row).to_have_attribute("data-state", "succeeded")
    await row.click()
    await page.wait_for_url(f"**/ui/jobs/{job}")
    await see_state(page, "succeeded")


async def test_a_failed_job_says_why_and_is_redriven_from_its_page(
    product: Product, api: Api, browser: Browser
) -> None:
    job = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    await api.finish(job, within=20)
    page = await opened(browser, f"{product.stack.web_url}/ui/jobs/{job}")
    await see_state(page, "failed")
    await expect(page.get_by_text("it was asked to fail for good").first).to_be_visible()
    await page.get_by_role("button", name="Redrive").click()

    async def failed_again() -> bool:
        view = await api.view(job)
        return (view["state"], view["redrives"]) == ("failed", 1)

    await until(failed_again, within=20, what="the second series of attempts")
    await see_state(page, "failed")
    await expect(page.get_by_text("Redriven", exact=True)).to_be_visible()


async def test_a_running_job_is_cancelled_from_its_page(product: Product, api: Api, browser: Browser) -> None:
    job = await api.submit("sleep", {"seconds": 60})
    page = await opened(browser, f"{product.stack.web_url}/ui/jobs/{job}")
    await see_state(page, "running")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Cancel the job").click()
    await see_state(page, "cancelled")


@pytest.mark.parametrize("view", ["/ui/jobs", "/ui/new", "/ui/dead-letters", "job"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_on_any_view(
    product: Product, api: Api, browser: Browser, view: str, scheme: str
) -> None:
    job = await api.submit("image.search", {"query": "accessible hills", "count": 2})
    await api.finish(job, within=30)
    page = await opened(browser, product.stack.web_url)
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    await page.goto(f"{product.stack.web_url}{f'/ui/jobs/{job}' if view == 'job' else view}")
    await page.wait_for_load_state("load")
    await page.get_by_role("heading").first.wait_for()
    found = await Axe().run(page)
    serious = [v for v in found.response["violations"] if v["impact"] in {"serious", "critical"}]
    assert serious == [], [(v["id"], v["nodes"][0]["failureSummary"], v["nodes"][0]["html"]) for v in serious]

"""What a person does on the page, in a real browser."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.support.api import Api
from tests.support.page import JOB_PAGE, SOON, see_connection, see_row, see_state, submit_search
from tests.support.proxy import Proxy
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(150)


async def test_a_person_submits_a_search_and_watches_it_to_its_pictures(page: Page) -> None:
    await submit_search(page, "mountains at dawn")
    await see_connection(page, "live")
    await see_state(page, "succeeded")
    pictures = page.get_by_test_id("picture")
    await expect(pictures.first).to_be_visible(timeout=SOON)
    assert await pictures.count() >= 2
    # Asked from here: a page that asks itself again and again would need what its policy forbids.
    images = pictures.locator("img")
    some_is_there = "images => images.some(image => image.complete && image.naturalWidth > 0)"
    await until(
        lambda: images.evaluate_all(some_is_there), within=SOON / 1_000, what="a picture's own pixels"
    )


async def test_the_list_shows_each_state_as_it_comes_without_a_reload(page: Page, api: Api) -> None:
    await page.goto("/ui/jobs")
    await see_connection(page, "live")
    good = await api.submit("sleep", {"seconds": 3})
    bad = await api.submit("sleep", {"seconds": 1, "fail": "reject"})
    await see_row(page, good, "running")
    await see_row(page, bad, "failed")
    await see_row(page, good, "succeeded")


async def test_a_paused_task_is_shown_with_its_reason_and_resumed_there(page: Page, api: Api) -> None:
    await api.pause("noop", reason="the database is being moved")
    job = await api.submit("noop", delay=3)  # workers look once a second what is paused

    async def waits_for_it() -> bool:
        assert (await api.view(job))["reason"] == "paused"
        return True

    await until(waits_for_it, within=20, what="the job to wait for its task")
    await page.goto(f"/ui/jobs/{job}")
    banner = page.get_by_test_id("paused-task")
    await expect(banner).to_contain_text("the database is being moved", timeout=SOON)
    await see_state(page, "waiting")
    await banner.get_by_role("button", name="Resume").click()
    await expect(banner).to_have_count(0, timeout=SOON)
    await see_state(page, "succeeded")


async def test_what_a_task_tells_is_read_while_it_runs(page: Page, api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 8, "steps": 8})
    await page.goto(f"/ui/jobs/{job}")
    await see_state(page, "running")
    await expect(page.locator(".logs li").first).to_be_visible(timeout=SOON)
    assert (await api.view(job))["state"] == "running"


async def test_a_running_job_is_cancelled_and_a_failed_one_redriven_by_its_button(
    page: Page, api: Api
) -> None:
    job = await api.submit("sleep", {"seconds": 60})
    await page.goto(f"/ui/jobs/{job}")
    await see_state(page, "running")
    await page.get_by_role("button", name=re.compile("^cancel", re.IGNORECASE)).first.click()
    confirm = page.get_by_role("dialog").get_by_role("button", name=re.compile("cancel .*job", re.IGNORECASE))
    if await page.get_by_role("dialog").count():
        await confirm.click()
    await see_state(page, "cancelled")

    job = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    await api.finish(job)
    await page.goto(f"/ui/jobs/{job}")
    await see_state(page, "failed")
    await page.get_by_role("button", name=re.compile("^redrive", re.IGNORECASE)).first.click()

    async def failed_again() -> bool:
        view = await api.view(job)
        assert (view["state"], view["redrives"]) == ("failed", 1), view["state"]
        return True

    await until(failed_again, within=20, what="the job to fail a second time")
    await see_state(page, "failed")


async def test_text_from_bad_hands_stays_text(page: Page, api: Api) -> None:
    attack = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
    job = await api.submit("image.search", {"query": attack, "count": 1}, tags=["<b>tag</b>"])
    await api.finish(job, within=30)
    for path in (f"/ui/jobs/{job}", "/ui/jobs"):
        await page.goto(path)
        await expect(page.get_by_text("onerror").first).to_be_visible()
        assert await page.evaluate("window.hurt") is None


async def test_everything_works_on_a_phone(browser: Browser, proxy: Proxy, api: Api) -> None:
    context = await browser.new_context(
        base_url=proxy.url, viewport={"width": 375, "height": 720}, has_touch=True, is_mobile=True
    )
    page = await context.new_page()
    page.set_default_timeout(SOON)
    job = await submit_search(page, "a river")
    await see_state(page, "succeeded")
    await expect(page.get_by_test_id("picture").first).to_be_visible(timeout=SOON)
    for path in ("/ui", "/ui/jobs", f"/ui/jobs/{job}", "/ui/new", "/ui/dead-letters", "/ui/tasks"):
        await page.goto(path)
        await see_connection(page, "live")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        overhang = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overhang <= 0, f"{path} is {overhang} px wider than the phone"
    await page.goto("/ui/jobs")
    await page.locator(f'[data-testid="job-row"][data-job-id="{job}"]').click()
    await page.wait_for_url(JOB_PAGE)
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_serious_bars_anyone_from_any_view(
    scheme: str, browser: Browser, proxy: Proxy, api: Api
) -> None:
    pictures = await api.submit("image.search", {"query": "a forest", "count": 3})
    failed = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    waiting = await api.submit("noop", delay=300)
    await api.finish(pictures, within=30)
    await api.finish(failed)
    context = await browser.new_context(
        base_url=proxy.url, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = await context.new_page()
    found = []
    views = [
        "/ui",
        "/ui/jobs",
        "/ui/new",
        "/ui/dead-letters",
        "/ui/dead-letters?all=1",
        "/ui/tasks",
        *(f"/ui/jobs/{job}" for job in (pictures, failed, waiting)),
    ]
    for path in views:
        await page.goto(path)
        await see_connection(page, "live")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.wait_for_load_state("load")
        results = await Axe().run(page)
        found += [
            f"{path}: {v['id']} ({v['impact']}): {v['nodes'][0]['html'][:200]}"
            for v in results.response["violations"]
            if v["impact"] in {"serious", "critical"}
        ]
    await context.close()
    await api.cancel(waiting)
    assert not found, "\n".join(found)

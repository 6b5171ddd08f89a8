"""The page in a real browser, through the gateway and under its content policy."""

import re

from playwright.async_api import async_playwright, expect

from tests.compose.containers import Containers


async def test_a_job_is_watched_to_its_pictures_and_the_browser_complains_of_nothing(
    stack: Containers, chromium: str
) -> None:
    complaints: list[str] = []
    async with stack.api() as api, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(base_url=stack.url)
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        await page.goto("/")
        job = await api.submit("image.search", {"query": "harbour at dawn", "count": 2})
        await page.goto(f"/ui/jobs/{job}")
        await expect(page.get_by_text(re.compile("succeeded", re.IGNORECASE)).first).to_be_visible(
            timeout=60_000
        )
        pictures = page.get_by_test_id("picture").locator("img")
        await expect(pictures.first).to_be_visible(timeout=60_000)
        drawn = await pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)")
        assert drawn > 0
        await page.goto("/docs")
        await expect(page.get_by_role("heading", name="Jobstream API")).to_be_visible()
        await browser.close()
    assert complaints == []

"""The page as a test looks at it."""

import re
from typing import Final

from playwright.async_api import Page, expect

JOB_PAGE: Final = re.compile(r"/ui/jobs/([0-9a-f-]{36})$")
SOON: Final = 20_000
"""Milliseconds."""


async def submit_search(page: Page, words: str) -> str:
    """Fill the form of the picture search, submit it, and return the id of the job whose page then opens."""
    await page.goto("/ui/new?task=image.search")
    await page.get_by_label("Query").fill(words)
    await page.get_by_role("button", name="Submit job").click()
    await page.wait_for_url(JOB_PAGE)
    found = JOB_PAGE.search(page.url)
    assert found
    return found[1]


async def see_state(page: Page, state: str) -> None:
    await expect(page.get_by_test_id("job-state")).to_have_attribute("data-state", state, timeout=SOON)


async def see_connection(page: Page, *states: str) -> None:
    badge = page.get_by_test_id("connection")
    await expect(badge).to_have_attribute("data-state", re.compile("|".join(states)), timeout=SOON)


async def see_row(page: Page, job: str, state: str) -> None:
    row = page.locator(f'[data-testid="job-row"][data-job-id="{job}"]')
    await expect(row).to_have_attribute("data-state", state, timeout=SOON)

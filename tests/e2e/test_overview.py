"""What a person learns of the whole: overview, tasks, dead letters by group."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.support.api import Api
from tests.support.page import SOON, see_connection, see_row

pytestmark = pytest.mark.timeout(150)


async def test_the_overview_counts_what_ends_and_leads_to_the_jobs_behind_a_figure(
    page: Page, api: Api
) -> None:
    job = await api.submit("noop", delay=600, tags=["overview"])
    done = await api.submit("noop")
    await api.finish(done)
    await page.goto("/")
    await expect(page).to_have_url(re.compile("/ui$"))
    await see_connection(page, "live")
    await expect(page.get_by_test_id("truth")).to_be_visible(timeout=SOON)
    await expect(page.get_by_text(re.compile(r"^[1-9][\d,]* succeeded$"))).to_be_visible(timeout=SOON)
    await page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name="Waiting").click()
    await see_row(page, job, "waiting")
    await api.cancel(job)


async def test_a_task_is_paused_with_a_reason_and_resumed_from_its_line(page: Page, api: Api) -> None:
    await page.goto("/ui/tasks")
    task = page.locator('[data-testid="task"][data-task="noop"]')
    await task.get_by_role("button", name="Pause").click()
    await page.get_by_label("Reason, for whoever looks next").fill("a look inside")
    await page.get_by_role("button", name="Pause the task").click()
    await expect(task).to_contain_text("a look inside", timeout=SOON)
    await task.get_by_role("button", name="Resume").click()
    await expect(task).not_to_contain_text("a look inside", timeout=SOON)
    assert not (await api.get("/tasks/noop")).json()["paused"]


async def test_dead_letters_are_found_by_their_group_and_read_byte_for_byte(page: Page, api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    await api.finish(job)
    await page.goto("/ui/dead-letters")
    group = page.get_by_test_id("letter-group").filter(has_text="rejected").filter(has_text="sleep")
    await expect(group.first).to_be_visible(timeout=SOON)
    await group.first.get_by_role("link", name="sleep").click()
    await expect(page).to_have_url(re.compile(r"\?task=sleep&kind=rejected&error_type=Reject$"))
    letter = page.get_by_test_id("letter").filter(has=page.locator(f'[title="{job}"]'))
    await letter.get_by_role("button", name="Message").click()
    message = page.get_by_role("dialog")
    await expect(message).to_contain_text(f'"job_id":"{job}"')
    await message.get_by_role("button", name="As hex").click()
    await expect(message).to_contain_text("000000  7b 22 74 79 70 65")

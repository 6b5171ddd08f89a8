"""What a person does with many jobs: finds, watches, ticks, cancels and redrives them."""

import re
import uuid
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support.api import Api
from tests.support.page import SOON, see_connection, see_row
from tests.support.product import Product
from tests.support.records import Records
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(200)

MANY = 10_000

SCROLL = """async ({ rows, step }) => {
  const list = document.querySelector(".list-scroll");
  const table = document.querySelector(".list");
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const until = performance.now() + 60_000;
  while (Number(table.dataset.rows) < rows && performance.now() < until) {
    list.scrollTop = list.scrollHeight;
    await frame();
  }
  list.scrollTop = list.scrollHeight / 2;
  await frame();
  const rounds = [];
  for (let round = 0; round < 5; round += 1) {
    const gaps = [];
    for (let last = performance.now(), turn = 0; turn < 30; turn += 1) {
      list.scrollTop -= step;
      await frame();
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    rounds.push(Math.round(gaps.sort((a, b) => a - b)[15]));
  }
  const drawn = document.querySelectorAll("[data-testid=job-row]").length;
  return { rows: Number(table.dataset.rows), drawn, rounds, frame: Math.min(...rounds) };
}"""
"""Scrolls until so many rows are read, then measures the median frame of a scroll in ms: five times, since on a busy
machine the quietest round says most of the page."""


async def copies(records: Records, job: str, tag: str) -> None:
    """Store many jobs like this one, each a millisecond older than the one before."""
    model = await records.job(job)
    born = uuid.UUID(job).int >> 80

    def copy(age: int) -> dict[str, Any]:
        number = ((born - age) << 80) | (7 << 76) | (2 << 62) | age
        return {**model, "_id": str(uuid.UUID(int=number)), "tags": [tag]}

    jobs = records.database["jobs"]
    for start in range(1, MANY + 1, 2_000):
        await jobs.insert_many([copy(age) for age in range(start, start + 2_000)])


async def test_ten_thousand_rows_scroll_as_smoothly_as_two_hundred_while_jobs_arrive(
    page: Page, api: Api, product: Product
) -> None:
    model = await api.submit("sleep", {"seconds": 0, "fail": "reject"}, tags=["many"])
    await api.finish(model)
    async with product.records() as records:
        await copies(records, model, "many")
    await page.goto("/ui/jobs?tag=many")
    await see_connection(page, "live")
    await see_row(page, model, "failed")
    few = await page.evaluate(SCROLL, {"rows": 0, "step": 24})
    many = await page.evaluate(SCROLL, {"rows": MANY, "step": 24})
    print(f"\nframes while scrolling: {few} and {many}")
    assert many["rows"] >= MANY
    assert many["drawn"] < 120
    assert many["frame"] < 3 * max(few["frame"], 17)

    arrived = await api.submit("noop", tags=["many"])
    pill = page.get_by_test_id("new-jobs")
    await expect(pill).to_have_text("1 new", timeout=SOON)
    await pill.click()
    await see_row(page, arrived, "succeeded")


async def test_ticked_jobs_are_cancelled_together_after_their_number_was_confirmed(
    page: Page, api: Api
) -> None:
    jobs = [await api.submit("noop", delay=600, tags=["together"]) for _ in range(3)]
    await page.goto("/ui/jobs?tag=together")
    await see_connection(page, "live")
    await see_row(page, jobs[0], "waiting")
    for key in ("j", "x", "j", "j", "Shift+X"):
        await page.keyboard.press(key)
    await expect(page.get_by_test_id("bulk")).to_contain_text("3 selected")
    await page.keyboard.press("c")
    await page.get_by_role("button", name="Cancel 3 jobs").click()
    for job in jobs:
        await see_row(page, job, "cancelled")
        assert (await api.view(job))["state"] == "cancelled"


async def test_all_that_match_a_filter_are_counted_and_cancelled_also_what_is_not_ticked(
    page: Page, api: Api
) -> None:
    jobs = [await api.submit("noop", delay=600, tags=["all-of-them"]) for _ in range(3)]
    await page.goto("/ui/jobs?tag=all-of-them")
    await see_row(page, jobs[0], "waiting")
    await page.locator('[data-testid="job-row"] input[type=checkbox]').first.click()
    await page.get_by_role("button", name="Cancel all that match…").click()
    await page.get_by_role("button", name="Cancel 3 jobs").click()
    for job in jobs:
        await see_row(page, job, "cancelled")


async def test_the_url_is_the_filter_and_a_job_is_found_by_its_id(page: Page, api: Api) -> None:
    lost = await api.submit("noop", tags=["hay"])
    needle = await api.submit("noop", tags=["needle"])
    await api.finish(needle)
    await page.goto("/ui/jobs")
    await see_row(page, lost, "succeeded")
    await page.keyboard.press("/")
    await page.keyboard.type("tag:needle")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"\?tag=needle$"))
    await expect(page.get_by_test_id("job-row")).to_have_count(1)
    await see_row(page, needle, "succeeded")
    await page.goto("/ui/jobs")
    await page.get_by_role("searchbox").fill(lost)
    await expect(page.get_by_test_id("job-row")).to_have_count(1)
    await see_row(page, lost, "succeeded")


async def test_dead_letters_of_a_filter_are_counted_and_redriven(page: Page, api: Api) -> None:
    jobs = [await api.submit("sleep", {"seconds": 0, "fail": "reject"}, tags=["again"]) for _ in range(3)]
    for job in jobs:
        await api.finish(job)
    await page.goto("/ui/dead-letters?task=sleep&kind=rejected&after=1h")
    await expect(page.get_by_test_id("letter").first).to_be_visible(timeout=SOON)
    await page.get_by_role("button", name="Redrive these…").click()
    await expect(page.get_by_test_id("redrive-count")).to_contain_text("jobs would start anew", timeout=SOON)
    await page.get_by_role("button", name=re.compile(r"^Redrive [\d,]+ jobs$")).click()

    async def failed_again() -> bool:
        views = [await api.view(job) for job in jobs]
        assert [(v["state"], v["redrives"]) for v in views] == [("failed", 1)] * 3
        return True

    await until(failed_again, within=30, what="each job to fail a second time")

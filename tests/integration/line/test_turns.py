"""Jobs that wait for something else than time: a pause, a gap in the queue; and those that wait too long."""

import asyncio
import time
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.product import Product
from tests.support.waiting import until


async def pause(api: Api, task: str) -> list[str]:
    """Pause a task and wait until the workers know; return the jobs that were parked meanwhile."""
    answer = await api.call("POST", f"/tasks/{task}/pause", json={"reason": "the upstream is being mended"})
    assert answer.status_code == 200, answer.text

    async def stopped() -> list[str]:
        jobs = [await api.submit(task, {"seconds": 0}) for _ in range(3)]
        states = {(await api.reach(job, "waiting", "succeeded", within=5))["state"] for job in jobs}
        assert states == {"waiting"}
        return jobs

    return await until(stopped, within=4, what="the workers to stop")


async def resume(api: Api, task: str) -> None:
    assert (await api.call("POST", f"/tasks/{task}/resume")).status_code == 200


async def test_a_paused_task_stops_within_two_seconds_and_its_jobs_go_on_when_it_is_resumed(
    product: Product, api: Api
) -> None:
    running = await api.submit("sleep", {"seconds": 3})
    await api.reach(running, "running")
    began = time.monotonic()
    parked = await pause(api, "sleep")
    assert time.monotonic() - began < 4
    for job in parked:
        assert (await api.view(job))["reason"] == "paused"
    assert (await api.finish(await api.submit("noop")))["state"] == "succeeded", "other tasks go on"
    assert (await api.finish(running))["state"] == "succeeded", "what ran went on"

    async with product.events(f"/jobs/{parked[0]}/events") as events:
        await resume(api, "sleep")
        await events.ended(within=10)
    for job in parked:
        view = await api.finish(job)
        assert (view["state"], view["attempt"]) == ("succeeded", 1)


async def test_a_parked_job_can_be_cancelled(api: Api) -> None:
    job, *_ = await pause(api, "sleep")
    try:
        assert (await api.cancel(job)).json()["state"] == "cancelled"
    finally:
        await resume(api, "sleep")


async def test_a_job_that_nobody_started_in_time_fails_as_expired_and_leaves_a_letter(api: Api) -> None:
    await pause(api, "sleep")
    try:
        job = await api.submit("sleep", {"seconds": 0}, expires_in=3)
        view = await api.finish(job, within=15)
    finally:
        await resume(api, "sleep")
    assert (view["state"], view["error"]["kind"], view["attempt"]) == ("failed", "expired", 0)
    letters = (await api.get("/dead-letters", params={"kind": "expired"})).json()["dead_letters"]
    assert job in {letter["job"] for letter in letters}
    assert (await api.redrive(job)).status_code == 202
    assert (await api.finish(job))["state"] == "succeeded", "a redriven job does not expire again"


async def test_a_scheduled_job_expires_no_later_than_it_says_even_if_its_time_has_not_come(api: Api) -> None:
    kept = await api.submit("noop", expires_in=30)
    assert (await api.finish(kept))["state"] == "succeeded"
    answer = await api.post({"task": "noop", "payload": {}, "delay": 20, "expires_in": 5})
    assert answer.status_code == 422, answer.text


@pytest.mark.timeout(90)
async def test_jobs_of_low_priority_yield_to_normal_ones_and_still_all_run(
    product: Product, api: Api
) -> None:
    async with product.having("job-worker", WORKER__CONCURRENCY="2"):
        # At once: on a busy machine single ones take so long that no queue is there when the first turns come.
        nap = {"task": "sleep", "payload": {"seconds": 0.25}}
        ids = await api.submit_batch([{**nap, "priority": "low"}] * 10 + [nap] * 30)
        low, normal = ids[:10], ids[10:]
        assert (await api.view(low[0]))["priority"] == "low"
        ended = await asyncio.gather(*(api.finish(job, within=60) for job in [*low, *normal]))
    assert {view["state"] for view in ended} == {"succeeded"}
    order = [view["id"] for view in sorted(ended, key=lambda v: str(v["finished_at"]))]
    places = {
        name: sum(order.index(j) for j in jobs) / len(jobs)
        for name, jobs in (("low", low), ("normal", normal))
    }
    assert places["normal"] < places["low"], f"mean place in the order of ends: {places}"


@pytest.mark.timeout(90)
async def test_jobs_in_line_behind_suddenly_long_ones_wait_a_second_and_burn_nothing(
    product: Product, api: Api
) -> None:
    async def all_of(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ids = await api.submit_batch(jobs)
        return list(await asyncio.gather(*(api.finish(job_id, within=60) for job_id in ids)))

    async with product.having("job-worker", WORKER__CONCURRENCY="2"):
        await all_of([{"task": "noop"}] * 500)
        ended = await all_of([{"task": "sleep", "payload": {"seconds": 1.5}}] * 8)
    assert {(view["state"], view["attempt"]) for view in ended} == {("succeeded", 1)}
    given_back = [view["id"] for view in ended if view["version"] > 3]
    assert given_back, "short jobs before them, so more were claimed than there are slots"
    assert len(given_back) <= 6, "those with a slot stayed"


async def test_a_tasks_log_is_kept_and_shown(api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 0.3, "steps": 3, "fail": "retry"}, max_attempts=2)
    await api.finish(job, within=20)
    answer = await api.get(f"/jobs/{job}/logs")
    assert answer.status_code == 200, answer.text
    lines = answer.json()
    lines = lines["logs"] if isinstance(lines, dict) else lines
    assert [(line["attempt"], line["message"]) for line in lines] == [
        (attempt, text)
        for attempt in (1, 2)
        for text in ("slept 0.1 s, step 1 of 3", "slept 0.1 s, step 2 of 3", "slept 0.1 s, step 3 of 3")
    ]
    assert {line["level"] for line in lines} == {"info"}

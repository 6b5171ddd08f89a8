"""What people do to jobs, on the whole line: put off, stop and redrive many, hold a key."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Api
from tests.support.product import Product
from tests.support.records import Document, Records


async def test_a_job_that_is_put_forward_runs_at_once_and_one_that_is_put_off_later(api: Api) -> None:
    job = await api.submit(delay=600)
    assert (await api.patch(job, run_at=datetime.now(UTC).isoformat())).status_code == 200
    assert (await api.finish(job))["state"] == "succeeded"
    later = await api.submit(delay=1)
    soon = datetime.now(UTC) + timedelta(seconds=3)
    assert (await api.patch(later, run_at=soon.isoformat())).status_code == 200
    view = await api.finish(later)
    assert datetime.fromisoformat(view["started_at"]) >= soon - timedelta(milliseconds=1)


async def test_a_job_that_yields_and_is_made_normal_runs_at_once(api: Api) -> None:
    job = await api.submit(delay=600, priority="low")
    assert (await api.patch(job, priority="normal", run_at=datetime.now(UTC).isoformat())).status_code == 200
    assert (await api.finish(job))["state"] == "succeeded"


async def test_a_unique_key_is_held_until_its_job_has_ended(api: Api) -> None:
    key = str(uuid4())
    held = await api.submit("sleep", {"seconds": 1}, unique_key=key)
    refused = await api.post({"task": "noop", "payload": {}, "unique_key": key})
    assert (refused.status_code, refused.json()["id"]) == (200, held)
    assert (await api.finish(held))["state"] == "succeeded"
    assert await api.submit(unique_key=key) != held


async def test_many_jobs_in_all_states_are_stopped_by_one_call(api: Api) -> None:
    tag = str(uuid4())
    running = [await api.submit("sleep", {"seconds": 60}, tags=[tag]) for _ in range(5)]
    for job in running:
        await api.reach(job, "running")
    waiting = [await api.submit(delay=600, tags=[tag]) for _ in range(5)]
    answer = await api.cancel_many(tag=tag)
    assert answer.json() == {"matched": 10, "cancelled": 5, "requested": 5, "complete": True}
    for job in [*running, *waiting]:
        assert (await api.finish(job))["state"] == "cancelled"


@pytest.mark.parametrize("rate", [None, 2.0])
async def test_failed_jobs_are_redriven_by_their_letters_and_end_well(
    product: Product, api: Api, rate: float | None
) -> None:
    began = datetime.now(UTC)
    jobs = [await api.submit("sleep", {"seconds": 0, "fail": "reject"}) for _ in range(5)]
    for job in jobs:
        assert (await api.finish(job))["state"] == "failed"
    async with product.records() as records:
        # The cause is mended: the same jobs succeed now.
        query = {"_id": {"$in": jobs}}
        await records.database["jobs"].update_many(query, {"$set": {"payload": '{"seconds":0}'}})
        wanted: dict[str, Any] = {"task": "sleep", "after": began.isoformat()}
        dry = await api.redrive_many(dry_run=True, **wanted)
        done = await api.redrive_many(rate_per_second=rate, **wanted)
        assert dry.json() == done.json() == {"matched": 5, "redriven": 5, "skipped": 0, "complete": True}
        views = [await api.finish(job, within=30) for job in jobs]
        assert {(view["state"], view["redrives"], view["attempt"]) for view in views} == {("succeeded", 1, 1)}
        started = sorted(datetime.fromisoformat(view["started_at"]) for view in views)
        assert (started[-1] - started[0] > timedelta(seconds=1.5)) == (rate is not None)
        letters = [await _only_letter(records, job) for job in jobs]
        assert [letter["redriven"] for letter in letters] == [1] * 5


async def _only_letter(records: Records, job: str) -> Document:
    (letter,) = await records.dead_letters(job=job)
    return letter

"""Processes whose wall clocks jump by an hour: nobody is judged, woken or refused by it."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Form
from tests.faults.test_lost_workers import leader
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.preloaded import COMPILER
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.wall_clocks import wall_clocks

JUMPS = timedelta(minutes=70), timedelta(minutes=-70), timedelta(0)
"""From true time: more than an hour ahead, then as far behind, then back."""

DELAY = 4.0
LATE = 3.0
"""Seconds by which a delayed job may start too late: ticks, the way to a worker, a busy machine."""


@pytest.mark.row("F37", promise="a clock that jumps by an hour wakes no job early or late and ends no lease")
@pytest.mark.skipif(COMPILER is None, reason="moving a clock takes a C compiler")
@pytest.mark.timeout(240)
async def test_wall_clocks_that_jump_by_an_hour_change_nothing(
    product: Product,
    api: Api,
    records: Records,
    topics: TopicProbe,
    figures: Figures,
    form: Form,
    tmp_path: Path,
) -> None:
    async with wall_clocks(product, tmp_path) as clocks:
        # One process of each kind: of the job-workers the one whose dispatcher wakes what is due.
        victims = [await leader(product), "result-worker-1", "dlq-worker-1", "api-1"]
        workers = await living_workers(records)
        delayed: list[str] = []
        healed = 0.0
        async with Load(api, jobs=form.jobs, rate=form.rate(form.of(6, 20)), seed=form.seed) as load:
            for turn, jump in enumerate(JUMPS, 1):
                across = [await api.submit("sleep", {"seconds": 3}) for _ in range(6)]
                delayed += [await api.submit("noop", delay=DELAY) for _ in range(6)]
                await load.reached(turn / (len(JUMPS) + 1))
                for victim in victims:
                    clocks[victim].move(jump)
                healed = time.monotonic()
                # The lease is renewed, the leadership too, and what is due comes due under the wrong time.
                delayed += [await api.submit("noop", delay=DELAY) for _ in range(6)]
                await records.all_final([*across, *delayed], within=30)
            await load.done()
        jobs = [post.job for post in api.history if post.job]
        await records.all_final(jobs, within=60)
        recovered = time.monotonic() - healed
        await topics.drained(within=30)
        counted = await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
        late = await asyncio.gather(*(started_late(records, job) for job in delayed))
        assert workers == await living_workers(records), "a lease lapsed"
    figures(earliest_s=min(late), latest_s=max(late), recovery_s=recovered, **counted)
    assert counted["extra attempts"] == 0
    assert min(late) >= 0, "a job started before it was due"
    assert max(late) < 2 * LATE


async def living_workers(records: Records) -> set[str]:
    """Return the ids of those whose lease holds, by MongoDB's clock."""
    alive = {"$expr": {"$gt": ["$alive_until", "$$NOW"]}}
    found: list[dict[str, Any]] = await records.database["workers"].find(alive, {"_id": 1}).to_list(None)
    return {worker["_id"] for worker in found}


async def started_late(records: Records, job: str) -> float:
    """Seconds between the moment when a delayed job was due and its start, both by MongoDB's clock."""
    record = await records.job(job)
    due = record["created_at"] + timedelta(seconds=DELAY)
    return float((record["attempts"][0]["started_at"] - due).total_seconds())

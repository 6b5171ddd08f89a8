"""Dispatchers that all lead at the same time, as they may for a moment at a take-over - here all the time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from tests.faults.conftest import Form
from tests.faults.test_lost_workers import running_by_worker
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

LAPSES_EVERY = 0.02
"""Seconds after which a leadership has ended: then every dispatcher takes it at every tick."""


@asynccontextmanager
async def leadership_that_lapses(records: Records) -> AsyncIterator[None]:
    async def lapse() -> None:
        while True:
            await records.end_leadership()
            await asyncio.sleep(LAPSES_EVERY)

    task = asyncio.create_task(lapse())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def all_lead(product: Product) -> bool:
    for name in product.names("job-worker"):
        leads = [s.value for s in await product.metrics(name) if s.name == "dispatcher_leading"]
        assert leads == [1], f"{name} does not lead"
    return True


@pytest.mark.row("F44", promise="dispatchers that all lead at once judge, wake and publish each job once")
@pytest.mark.timeout(240)
async def test_dispatchers_that_all_lead_at_once_double_nothing(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    draw, number = form.draw("F44 all"), form.at_most(500)
    # So many failures of one kind would pause their task.
    async with product.having("job-worker", BRAKE__RUN="0"), leadership_that_lapses(records):
        await until(partial(all_lead, product), within=20, what="both dispatchers to lead", every=0.2)
        # A third stalls with its worker and is judged, of those half for good; the rest is woken or tried again.
        stalling = [await api.submit("sleep", {"seconds": 7}) for _ in range(number // 6)]
        fragile = [await api.submit("sleep", {"seconds": 7}, max_attempts=1) for _ in range(number // 6)]
        places = await running_by_worker(product, records, [*stalling, *fragile])
        victim = draw.choice(product.names("job-worker"))
        hit = {job for job, name in places.items() if name == victim}
        await product.stack.kill(victim)
        await product.stack.start(victim)
        healed = time.monotonic()
        delayed = [
            await api.submit("noop", delay=round(draw.uniform(0.2, 10), 2)) for _ in range(number // 3)
        ]
        retried = [
            await api.submit("sleep", {"seconds": 0.01, "fail": "retry"}, max_attempts=2)
            for _ in range(number // 3)
        ]
        jobs = [*stalling, *fragile, *delayed, *retried]
        await records.all_final(jobs, within=90)
        recovered = time.monotonic() - healed
        await topics.drained(within=30)
    counted = await check(
        product,
        api.history,
        records=records,
        topics=topics,
        must_fail={*retried, *(hit & set(fragile))},
    )
    figures(jobs_hit=len(hit), recovery_s=recovered, **counted)
    assert counted["stalled attempts"] == len(hit), "each is judged once"
    ended: dict[str, dict[str, Any]] = await records.jobs(delayed)
    assert {job["version"] for job in ended.values()} == {4}, "waiting, pending, running, succeeded"

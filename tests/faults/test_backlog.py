"""Far more jobs than workers: they are stored, published once, and drained in bounded memory."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from job_contracts.record import Collection
from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.footprint import footprints, highest_rss
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

BATCH = 1_000
CLIENTS = 2
GROWTH_MIB = 64
"""What a service may hold more than when it was warm, however long the backlog is."""


async def stored(api: Api, jobs: int) -> float:
    """Submit so many jobs that do nothing, a thousand at a time; return how long it took."""
    sizes = iter([BATCH] * (jobs // BATCH))

    async def client() -> None:
        for size in sizes:
            await api.submit_batch([{"task": "noop"}] * size)

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.monotonic() - began


async def drained(records: Records, *, within: float) -> None:
    """Wait until no job is live."""

    async def look() -> bool:
        left = await records.database[Collection.JOBS].count_documents({"wake_at": {"$exists": True}})
        assert not left, f"{left} are live"
        return True

    await until(look, within=within, what="all jobs to end", every=0.5)


async def drained_in(records: Records, began: datetime) -> float:
    """Seconds from the first start since then to the last end."""
    spans = {"_id": None, "first": {"$min": "$started_at"}, "last": {"$max": "$finished_at"}}
    stages: list[dict[str, object]] = [{"$match": {"started_at": {"$gte": began}}}, {"$group": spans}]
    (span,) = await (await records.database[Collection.JOBS].aggregate(stages)).to_list(None)
    return float((span["last"] - span["first"]).total_seconds())


@pytest.mark.row("F43", promise="a backlog drains in bounded memory, and is published once")
@pytest.mark.timeout(600)
async def test_a_backlog_drains_in_bounded_memory_and_is_published_once(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    jobs, workers = int(form.of(2_000, 20_000, 100_000)), product.names("job-worker")
    await stored(api, 1_000)  # so that everybody is warm
    await drained(records, within=60)
    warm = await footprints(product)
    async with highest_rss(product) as most:
        await asyncio.gather(*(product.stack.stop(name) for name in workers))
        storing = await stored(api, jobs)
        # Not by the index on `wake_at`: a job whose `wake_at` goes far out meanwhile would be counted twice.
        waiting = await records.database[Collection.JOBS].count_documents({"state": "pending"})
        began = datetime.now(UTC)
        await asyncio.gather(*(product.stack.start(name) for name in workers))
        await drained(records, within=form.of(60, 200, 600))
    draining = await drained_in(records, began)
    await at_rest(records, topics)
    growth = {name: (rss - warm[name].rss) / 2**20 for name, rss in most.items()}
    counted = await check(product, api.history, records=records, topics=topics)
    grown_most = max(growth, key=lambda name: growth[name])
    figures(
        backlog=waiting,
        stored_per_s=jobs / storing,
        drained_per_s=jobs / draining,
        recovery_s=draining,
        grown_most=grown_most,
        growth_mib=growth[grown_most],
        **counted,
    )
    assert waiting == jobs
    assert growth[grown_most] < GROWTH_MIB, growth
    assert counted["repeated requests"] <= jobs // 50, "the queue is not put into the queue again"

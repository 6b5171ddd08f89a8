"""Two api replicas and three job-workers on the same topics."""

import asyncio
from collections import Counter

import pytest

from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product

JOBS = 300


@pytest.fixture(scope="module")
def replicas() -> Replicas:
    return Replicas(api=2, job_worker=3, result_worker=2, dlq_worker=2)


async def test_a_delayed_job_taken_by_one_replica_is_seen_whole_on_the_other(product: Product) -> None:
    async with product.api(1) as first, product.api(2) as second:
        job = await first.submit("sleep", {"seconds": 0.6}, delay=2)
        async with product.events(f"/jobs/{job}/events", replica=2) as events:
            await events.ended(within=30)
        assert [(f.data["state"], f.data["version"]) for f in events.of(job)] == [
            ("waiting", 1),
            ("pending", 2),
            ("running", 3),
            ("succeeded", 4),
        ]
        assert await first.view(job) == await second.view(job)


@pytest.mark.timeout(120)
async def test_jobs_are_shared_by_all_workers_and_every_replica_tells_of_all_of_them(
    product: Product, api: Api, figures: Figures
) -> None:
    async with (
        product.records() as records,
        product.topics() as topics,
        product.events("/events", replica=1, again=True) as one,
        product.events("/events", replica=2, again=True) as other,
    ):
        jobs = await asyncio.gather(*(api.submit("sleep", {"seconds": 0.1}) for _ in range(JOBS)))
        await records.all_final(jobs, within=60)
        for job in jobs:
            await one.seen(job, "succeeded")
            await other.seen(job, "succeeded")
        await topics.drained()
        counted = await check(product, api.history, records=records, topics=topics, events=one)
        workers = Counter(
            attempt["worker"]
            for record in (await records.jobs(jobs)).values()
            for attempt in record["attempts"]
        )
    figures(by_worker=sorted(workers.values()), **counted)
    assert len(workers) == 3, f"{workers}"
    assert not other.disorder()
    assert counted["extra attempts"] == 0


async def test_one_dispatcher_leads_and_another_takes_over_when_its_worker_ends(
    product: Product, api: Api
) -> None:
    names = product.names("job-worker")

    async def leaders() -> list[str]:
        leading = []
        for name in names:
            if product.stack.part(name).process.alive:
                samples = await product.metrics(name)
                leading += [name for s in samples if s.name == "dispatcher_leading" and s.value == 1]
        return leading

    (first,) = await leaders()
    await product.stack.stop(first)
    try:
        job = await api.submit("noop", delay=0.5)
        assert (await api.finish(job, within=20))["state"] == "succeeded"
        (second,) = await leaders()
        assert second != first
    finally:
        await product.stack.start(first)

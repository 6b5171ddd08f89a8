"""Two api replicas and three job-workers on the same topics."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.waiting import until

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


async def test_every_replica_tells_the_same_of_every_minute_and_no_job_is_counted_twice(
    product: Product, api: Api, figures: Figures
) -> None:
    jobs = [*await asyncio.gather(*(api.submit() for _ in range(40)))]
    jobs += await asyncio.gather(*(api.submit("sleep", {"seconds": 0, "fail": "reject"}) for _ in range(10)))
    async with product.records() as records, product.api(1) as first, product.api(2) as second:
        await records.all_final(jobs, within=30)
        ended: Counter[tuple[str, str]] = Counter()
        async for job in records.database["jobs"].find({}, {"task": 1, "state": 1}):
            ended[job["task"], job["state"]] += 1

        async def counted() -> list[dict[str, Any]]:
            told = [(await one.get("/stats", params={"minutes": 60})).json() for one in (first, second)]
            minutes = [stats["minutes"] for stats in told]
            assert minutes[0] == minutes[1]
            for name, state in (("finished", "succeeded"), ("failed", "failed")):
                for task in ("noop", "sleep"):
                    total = sum(m[name] for m in minutes[0] if m["task"] == task)
                    assert total == ended[task, state], f"{task} {name}: {total}, not {ended[task, state]}"
            assert all(stats["finished_last_minute"] > 0 for stats in told)
            return list(minutes[0])

        minutes = await until(counted, within=20, what="all jobs to be counted", every=0.5)
    last = next(m for m in minutes[::-1] if m["task"] == "noop")
    assert datetime.fromisoformat(last["minute"]).second == 0
    assert 0 < last["wait"]["p50"] <= last["wait"]["p95"] < 60
    assert 0 < last["run"]["p50"] <= last["run"]["p95"] < 60
    figures(wait_p95=last["wait"]["p95"], run_p95=last["run"]["p95"], minutes=len(minutes))
    assert "minutes" not in (await api.get("/stats")).json()
    refused = await api.get("/stats", params={"minutes": 181})
    assert refused.json()["errors"][0]["pointer"] == "/minutes"


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


async def test_of_many_jobs_every_replica_tells_how_they_end_and_which_of_them_queue(
    product: Product, api: Api
) -> None:
    async with (
        product.events("/events", replica=1) as one,
        product.events("/events", replica=2) as other,
    ):
        short = await api.submit_batch([{"task": "noop", "payload": {}}] * 100)
        long = await api.submit_batch([{"task": "sleep", "payload": {"seconds": 2}}] * 400)
        for events in (one, other):
            for job in (*short, *long):
                await events.seen(job, "succeeded")
            assert not events.disorder()
            ends = sum(events.states(job) == ["succeeded"] for job in short)
            queues = sum(events.states(job) == ["pending", "running", "succeeded"] for job in long)
            assert ends, "each of the short ones was announced as pending"
            assert queues, "nobody was told that jobs queue, though the slots are three hundred"

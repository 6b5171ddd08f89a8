"""Jobs that can only fail, and what becomes of their letters."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from job_contracts.topics import Group, Topic
from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load, Wanted
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe

REDRIVES = 3
"""REDRIVE__LIMIT of the api."""


@pytest.mark.row("F21", promise="a job whose task always raises fails alone; the others do not notice")
@pytest.mark.timeout(180)
async def test_a_job_whose_task_always_raises_fails_alone(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    async def p95(seed: int) -> float:
        async with Load(api, jobs=form.jobs, rate=form.rate(25), seed=seed, mix=lambda *_: Wanted()) as load:
            await load.done()
        await records.all_final(load.jobs, within=30)
        ended = await records.jobs(load.jobs)
        took: list[float] = sorted(
            (r["finished_at"] - r["created_at"]).total_seconds() for r in ended.values()
        )
        return took[int(0.95 * len(took))]

    alone = await p95(form.seed)
    raising = await api.submit("sleep", {"seconds": 0.01, "fail": "retry"}, max_attempts=4)
    beside = await p95(form.seed + 1000)
    began = time.monotonic()
    await api.finish(raising, within=60)
    recovered = time.monotonic() - began
    await topics.drained()
    counted = await check(product, api.history, records=records, topics=topics, must_fail={raising})
    figures(p95_alone_s=alone, p95_beside_s=beside, recovery_s=recovered, **counted)
    assert (await api.view(raising))["attempt"] == 4
    assert beside < 2 * alone + 0.1


@pytest.mark.row(
    "F23", promise="dlq-workers killed again and again, and letters read twice, leave one letter each"
)
@pytest.mark.timeout(240)
async def test_letters_that_come_twice_to_workers_that_are_killed_are_kept_once(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    (worker,) = product.names("dlq-worker")
    kills = int(form.of(3, 10))
    jobs: list[str] = []
    async with product.having("job-worker", BRAKE__RUN="0"):
        for _ in range(kills):
            jobs += [
                await api.submit("sleep", {"seconds": 0.01, "fail": "reject"})
                for _ in range(form.jobs // kills)
            ]
            await product.stack.kill(worker)
            await product.stack.start(worker)
        healed = time.monotonic()
        await records.all_final(jobs, within=60)
        recovered = time.monotonic() - healed
        await topics.drained()
        once = await letters_of(records, jobs)
        # All of them once more, as after a restored backup of the group's offsets.
        await product.stack.stop(worker)
        await rewind(product, topics)
        await product.stack.start(worker)
        await topics.drained()
        twice = await letters_of(records, jobs)
    counted = await check(product, api.history, records=records, topics=topics, must_fail=set(jobs))
    figures(kills=kills, recovery_s=recovered, **counted)
    assert twice == once
    assert len(once) == len(jobs), "one letter for each"


async def letters_of(records: Records, jobs: list[str]) -> list[str]:
    """Ids of all letters of these jobs."""
    return sorted(str(letter["_id"]) for letter in await records.dead_letters(job={"$in": jobs}))


async def rewind(product: Product, topics: TopicProbe) -> None:
    """Have the dlq-workers' group begin where the row began."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=product.stack.bootstrap_servers,
        group_id=Group.DLQ_WORKER,
        enable_auto_commit=False,
    )
    async with asyncio.timeout(20):
        await consumer.start()
        try:
            places = [tp for tp in topics.since if tp.topic == Topic.DEAD_LETTER]
            consumer.assign(places)
            await consumer.commit({TopicPartition(*tp): topics.since[tp] for tp in places})
        finally:
            await consumer.stop()


@pytest.mark.row("F24", promise="a job that can only fail is redriven three times and no more, unless forced")
@pytest.mark.timeout(180)
async def test_a_job_that_can_only_fail_is_not_redriven_for_ever(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    job = await api.submit("sleep", {"seconds": 0.01, "fail": "reject"})
    for _ in range(REDRIVES):
        await api.finish(job)
        assert (await api.redrive(job)).status_code == 202
    await api.finish(job)
    refused = await api.redrive(job)
    assert refused.status_code == 409, refused.text
    after = (await api.view(job))["created_at"]
    by_filter = (await api.redrive_many(task="sleep", after=after)).json()
    assert (by_filter["redriven"], by_filter["skipped"]) == (0, 1), by_filter
    assert (await api.redrive(job, force=True)).status_code == 202
    await api.finish(job)
    await topics.drained()
    counted = await check(
        product, api.history, records=records, topics=topics, must_fail={job}, redriven={job}
    )
    figures(redrives=REDRIVES + 1, letters=len(await letters_of(records, [job])), **counted)
    assert counted["dead letters"] == REDRIVES + 2, "one for each time"

"""Kafka and MongoDB that go away under load, and come back."""

import asyncio
import statistics
import time
from uuid import uuid4

import pytest

from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe

KAFKA_AWAY, MONGO_AWAY = 20.0, 15.0


@pytest.mark.row(
    "F9", promise="POST goes on without Kafka, and all jobs finish once it is back", telling=True
)
@pytest.mark.timeout(240)
async def test_posts_do_not_wait_for_a_dead_kafka_and_all_finish_once_it_is_back(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    jobs = [await api.submit("sleep", {"seconds": 3}) for _ in range(4)]
    for job in jobs:
        await api.reach(job, "running")
    before = len(api.history)
    async with product.events("/events", again=True) as events:
        await product.stack.kill("kafka")
        until = time.monotonic() + KAFKA_AWAY
        while time.monotonic() < until:
            jobs += await asyncio.gather(
                *(api.submit("noop") for _ in range(4)), api.submit("sleep", {"seconds": 0.05})
            )
            await asyncio.sleep(0.4)  # the rate of the load
        assert not product.stack.part("kafka").process.alive
        during = sorted(post.seconds for post in api.history[before:])
        code, body = await product.readiness("api-1")
        assert (code, body["status"]) == (200, "degraded"), body

        began = time.monotonic()
        await product.stack.start("kafka")
        back = time.monotonic()
        await records.all_final(jobs, within=90)
        recovered = time.monotonic() - back
        await topics.drained(within=60)
        for job in jobs:
            await events.seen(job, "succeeded", within=30)
    counted = await check(product, api.history, records=records, topics=topics, events=events)
    p99 = statistics.quantiles(during, n=100)[98]
    figures(
        posts_meanwhile=len(during),
        post_p50_ms=1000 * statistics.median(during),
        post_p99_ms=1000 * p99,
        kafka_up_after_s=back - began,
        recovery_s=recovered,
        **counted,
    )
    assert p99 < 1
    assert (counted["dead letters"], counted["extra attempts"]) == (0, 0)


@pytest.mark.row(
    "F17", promise="without MongoDB POST answers 503 quickly, and no attempt is burnt", telling=True
)
@pytest.mark.timeout(180)
async def test_a_frozen_mongodb_refuses_posts_quickly_and_burns_no_attempt(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    # Some end while MongoDB is away; the others still run when their worker sees that its lease has lapsed.
    running = [await api.submit("sleep", {"seconds": seconds}) for seconds in (12, 12, 12, 18, 18, 18)]
    for job in running:
        await api.reach(job, "running")
    quick = [await api.submit("noop") for _ in range(20)]
    product.stack.pause("mongod")
    refused: list[tuple[str, float]] = []
    until = time.monotonic() + MONGO_AWAY
    while time.monotonic() < until:
        key, began = str(uuid4()), time.monotonic()
        answer = await api.post({"task": "noop", "payload": {}}, key=key)
        refused.append((key, time.monotonic() - began))
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["status"] == 503
    code, body = await product.readiness("api-1")
    assert code == 503, body
    product.stack.resume("mongod")

    back = time.monotonic()
    await asyncio.gather(*(product.stack.ready(name, within=30) for name in product.stack.parts))
    ready = time.monotonic() - back
    # What was refused may have been stored: the repeat with the same key finds out.
    answers = [await api.post({"task": "noop", "payload": {}}, key=key) for key, _ in refused]
    assert {a.status_code for a in answers} <= {200, 202}
    jobs = running + quick + [a.json()["id"] for a in answers]
    await records.all_final(jobs, within=60)
    recovered = time.monotonic() - back
    await topics.drained(within=30)
    counted = await check(product, api.history, records=records, topics=topics)
    slowest = max(seconds for _, seconds in refused)
    figures(refused=len(refused), slowest_503_s=slowest, ready_after_s=ready, recovery_s=recovered, **counted)
    assert slowest < 3
    assert (counted["dead letters"], counted["extra attempts"]) == (0, 0)
    assert {(await records.job(job))["failures"] for job in running} == {0}

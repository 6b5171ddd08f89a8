"""Kafka and MongoDB that go away under load, and come back."""

import asyncio
import statistics
import time
from uuid import uuid4

import pytest

from tests.faults.conftest import Form
from tests.faults.test_judging import follower
from tests.faults.test_lost_workers import running_by_worker
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe

KAFKA_AWAY, MONGO_AWAY = 20.0, 15.0

COMES_LATE = 5.0
"""Seconds after which a worker is there again when MongoDB is: half a lease."""

DRAINED = 10.0
"""Seconds after which all that piled up without Kafka has ended, once it is back."""

MADE_ANEW = 30.0
"""Seconds after which a reader that the bounce has wedged reads again: the watchdog's patience, its look, the group."""


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
    assert recovered < 2 * DRAINED
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


@pytest.mark.row("F17", promise="a worker that MongoDB hears of later than of others is not taken for dead")
@pytest.mark.timeout(180)
async def test_a_worker_that_is_back_later_than_mongodb_keeps_its_attempts(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    late = await follower(product)
    jobs = [await api.submit("sleep", {"seconds": 30}) for _ in range(16)]
    places = await running_by_worker(product, records, jobs)
    mine = [job for job, place in places.items() if place == late]
    assert mine, "some of the jobs run on the worker that comes late"
    product.stack.pause("mongod")
    await asyncio.sleep(MONGO_AWAY)
    product.stack.pause(late)
    product.stack.resume("mongod")
    back = time.monotonic()
    # Others are in contact again and see a lease that ended; half a lease tells nothing of its worker.
    await asyncio.sleep(COMES_LATE)
    product.stack.resume(late)
    await records.all_final(jobs, within=90)
    recovered = time.monotonic() - back
    await topics.drained(within=30)
    counted = await check(product, api.history, records=records, topics=topics)
    figures(jobs_hit=len(mine), recovery_s=recovered, **counted)
    assert (counted["extra attempts"], counted["stalled attempts"]) == (0, 0)
    assert {(await records.job(job))["failures"] for job in jobs} == {0}


@pytest.mark.row("F9", promise="readers get on each time when Kafka goes and comes back again and again")
@pytest.mark.timeout(400)
async def test_readers_get_on_each_time_when_kafka_is_bounced(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    bounces, went_on, doomed = int(form.of(2, 5)), list[float](), set[str]()
    services = [service.name for service in product.services()]
    starts = {name: product.stack.part(name).process.starts for name in services}
    product.stack.supervise = True  # a process that ends itself, for its reader is wedged, comes back
    try:
        async with Load(api, jobs=max(form.jobs, 200), rate=form.rate(8), seed=form.seed) as load:
            for turn in range(bounces):
                await load.reached((turn + 0.3) / (bounces + 1))
                await (product.stack.kill, product.stack.stop)[turn % 2]("kafka")
                await product.stack.start("kafka")
                back = time.monotonic()
                # The first goes through job- and result-worker, the second through dlq-worker.
                good = await api.submit_surely("noop")
                bad = await api.submit_surely("sleep", {"seconds": 0.01, "fail": "reject"})
                doomed.add(bad)
                await records.all_final([good, bad], within=2 * MADE_ANEW)
                went_on.append(time.monotonic() - back)
            await load.done()
        healed = time.monotonic()
        await records.all_final(load.jobs, within=60)
        recovered = time.monotonic() - healed
        await at_rest(records, topics)
    finally:
        product.stack.supervise = False
    made_anew = [
        await product.counted(kind, "subscription_restarts_total")
        for kind in ("job-worker", "result-worker", "dlq-worker")
    ]
    counted = await check(
        product, api.history, records=records, topics=topics, must_fail=load.doomed | doomed
    )
    ended = sum(product.stack.part(name).process.starts - starts[name] for name in services)
    figures(
        bounces=bounces,
        went_on_after_s=max(went_on),
        readers_made_anew=sum(made_anew),
        processes_made_anew=ended,
        recovery_s=recovered,
        **counted,
    )
    assert counted["extra attempts"] == 0


@pytest.mark.row("F52", promise="finished work whose outcomes queue is not run again")
@pytest.mark.timeout(360)
async def test_finished_work_that_queues_while_kafka_is_away_is_not_run_again(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    # Each ends alone: one is in flight when Kafka goes away, the others queue behind it, their time long over.
    jobs = [await api.submit("sleep", {"seconds": 1 + n / 10}, timeout=5) for n in range(30)]
    await api.reach(jobs[-1], "running")
    await product.stack.kill("kafka")
    away = form.of(20, 90)
    await asyncio.sleep(away)
    await product.stack.start("kafka")
    await records.all_final(jobs, within=90)
    await topics.drained(within=60)
    counted = await check(product, api.history, records=records, topics=topics)
    figures(away_s=away, **counted)
    assert counted["extra attempts"] == 0

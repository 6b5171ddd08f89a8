"""The bus under the streams: deaf for a while, doubled and shuffled, or grown."""

import time

import psutil
import pytest

from job_contracts.topics import Topic
from tests.faults.conftest import Form, Proxied
from tests.faults.test_replicas_of_streams import CONVERGED, converge
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.crowd import Crowd
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until_true


@pytest.mark.row(
    "F33", promise="a replica that the bus does not reach tells its watchers within 15 s all the same"
)
@pytest.mark.timeout(240)
async def test_a_replica_that_the_bus_does_not_reach_tells_its_watchers_all_the_same(
    proxied_apis: Proxied, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    product = proxied_apis.product
    deaf = psutil.Process(product.service("api-2").process.pid)
    async with (
        product.api(1) as api,
        product.events("/events", replica=1) as hearing,
        product.events("/events", replica=2) as listening,
    ):
        jobs = [await api.submit("sleep", {"seconds": 4, "steps": 4}) for _ in range(10)]
        for job in jobs:
            await listening.seen(job, "running")
        watched = product.events(f"/jobs/{jobs[0]}/events", replica=2)
        async with watched:
            proxied_apis.kafka.tell(
                "admit", lambda port: all(c.laddr.port != port for c in deaf.net_connections("tcp"))
            )
            for job in jobs:
                await hearing.seen(job, "succeeded")
            ended = time.monotonic()
            for job in jobs:
                await listening.seen(job, "succeeded", within=2 * CONVERGED)
            await watched.ended(within=2 * CONVERGED)
            repaired = time.monotonic() - ended
            code, body = await product.readiness("api-2")
            unheard = [await api.submit() for _ in range(10)]
            for job in unheard:
                await hearing.seen(job, "succeeded")
            assert not set(unheard) & set(listening.newest), "the bus does not reach it"
            proxied_apis.kafka.heal()
            healed = time.monotonic()
            for job in unheard:
                await listening.seen(job, "succeeded", within=2 * CONVERGED)
            recovered = time.monotonic() - healed
        await at_rest(records, topics)
        counted = await check(
            product, api.history, records=records, topics=topics, events=[hearing, listening]
        )
    figures(repaired_after_s=repaired, recovery_s=recovered, **counted)
    assert (code, body["status"]) == (200, "degraded"), "it goes on serving"
    assert repaired < CONVERGED
    assert recovered < CONVERGED


@pytest.mark.row("F33", promise="old events that come again, in any order and anywhere, take nobody back")
@pytest.mark.timeout(240)
async def test_old_events_that_come_again_in_any_order_take_nobody_back(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    chance = form.draw("F33")
    async with (
        product.events("/events") as page,
        Crowd(product.stack.api_urls, count=10) as crowd,
        Load(api, jobs=form.jobs, rate=form.rate(30), seed=form.seed) as load,
    ):
        repeated = 0
        for share in (0.3, 0.6, 0.9, 1):
            await load.reached(share)
            heard = await topics.dump(Topic.JOB_EVENTS)
            for message in chance.sample(heard, min(len(heard), max(200, form.jobs // 3))):
                await topics.produce(
                    Topic.JOB_EVENTS,
                    message.value,
                    key=message.key,
                    headers=message.headers,
                    partition=chance.randrange(12),
                )
                repeated += 1
        after = await converge(crowd, records, load.jobs)
        await load.seen_by(page)
    await at_rest(records, topics)
    counted = await check(
        product, api.history, records=records, topics=topics, events=page, must_fail=load.doomed
    )
    figures(repeated_events=repeated, converged_after_s=after, **counted)
    assert repeated > len(load.jobs)
    assert crowd.went_back == 0
    assert after < CONVERGED


@pytest.mark.row(
    "F35", promise="when job-events grows every stream is told to read anew, and nothing is missed"
)
@pytest.mark.timeout(180)
async def test_when_job_events_grows_every_stream_is_told_to_read_anew(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    # A reset may take away what waits for a reader: all of them read the list then, as every client must.
    async with (
        product.events("/events", again=True) as page,
        Crowd(product.stack.api_urls, count=20) as crowd,
        Load(api, jobs=form.jobs, rate=form.rate(form.of(10, 20)), seed=form.seed) as load,
    ):
        await load.reached(0.2)
        places = {reader.last_id for reader in crowd.readers}
        partitions = await topics.grow(Topic.JOB_EVENTS)
        began = time.monotonic()
        await until_true(lambda: crowd.heard("reset") == 20, within=20, what="everybody to be told")
        told = time.monotonic() - began
        await load.done()
        after = await converge(crowd, records, load.jobs)
        await load.seen_by(page)
        old = product.resuming("/events")
        old.last_id = places.pop().decode()
        async with old:
            await until_true(lambda: any(f.event == "reset" for f in old.frames), within=10, what="a reset")
    used = {message.partition for message in await topics.dump(Topic.JOB_EVENTS)}
    await at_rest(records, topics)
    counted = await check(
        product, api.history, records=records, topics=topics, events=page, must_fail=load.doomed
    )
    figures(told_after_s=told, lists_read=crowd.lists, converged_after_s=after, **counted)
    assert max(used) == partitions - 1, "the new partition was used"
    assert {reader.heard["reset"] for reader in crowd.readers} == {1}
    assert crowd.went_back == 0
    assert after < CONVERGED

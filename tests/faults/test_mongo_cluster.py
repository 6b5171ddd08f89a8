"""A replica set of three that loses its primary, elects another, or is asked twice because an answer was lost."""

import asyncio
import time
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from jobstream_local.ports import LOOPBACK
from tests.faults.conftest import Form, Proxied
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

WRITES_GO_ON = 12.0
"""Seconds after the death of a primary within which jobs are accepted again."""


def direct(product: Product, name: str) -> AsyncMongoClient[dict[str, Any]]:
    """A client of one member, whatever it is."""
    port = product.stack.part(name).ports["mongodb"]
    return AsyncMongoClient(LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=2_000)


async def primary(product: Product) -> str:
    """The name of the member that is the primary."""

    async def look() -> str:
        for name in product.names("mongod"):
            if not product.stack.part(name).process.alive:
                continue
            async with direct(product, name) as client:
                try:
                    if (await client.admin.command("hello")).get("isWritablePrimary"):
                        return name
                except PyMongoError:
                    continue
        raise AssertionError("no member is primary")

    return await until(look, within=40, what="a primary", every=0.2)


async def step_down(product: Product, name: str) -> None:
    async with direct(product, name) as client:
        await client.admin.command("replSetStepDown", 10, force=True)


@pytest.mark.row(
    "F15", promise="MongoDB's primary dies: writes go on within 12 s, no attempt is burnt", telling=True
)
@pytest.mark.timeout(400)
async def test_jobs_go_on_when_the_primary_dies(
    trio: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    rounds = int(form.of(1, 3, 5))
    silences = []
    async with Load(api, jobs=form.jobs, rate=form.rate(20), seed=form.seed) as load:
        for turn in range(rounds):
            await load.reached((turn + 0.3) / (rounds + 1))
            victim = await primary(trio)
            await trio.stack.kill(victim)
            killed = time.monotonic()
            await api.submit_surely("noop", within=60)
            silences.append(time.monotonic() - killed)
            await trio.stack.start(victim)
        healed = time.monotonic()
        await load.done()
    jobs = [post.job for post in api.history if post.job]
    await records.all_final(jobs, within=90)
    recovered = time.monotonic() - healed
    await topics.drained(within=40)
    counted = await check(trio, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(primaries_killed=rounds, writes_went_on_after_s=max(silences), recovery_s=recovered, **counted)
    assert max(silences) < 2 * WRITES_GO_ON
    assert counted["extra attempts"] == 0


@pytest.mark.row("F16", promise="elections under load lose nothing and burn no attempt")
@pytest.mark.timeout(300)
async def test_elections_under_load_lose_nothing(
    trio: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    rounds = int(form.of(2, 4, 10))
    async with Load(api, jobs=form.jobs, rate=form.rate(20), seed=form.seed) as load:
        for turn in range(rounds):
            await load.reached((turn + 0.3) / (rounds + 1))
            await step_down(trio, await primary(trio))
        healed = time.monotonic()
        await load.done()
    await records.all_final(load.jobs, within=90)
    recovered = time.monotonic() - healed
    await topics.drained(within=40)
    counted = await check(trio, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(elections=rounds, recovery_s=recovered, **counted)
    assert counted["extra attempts"] == 0


@pytest.mark.row("F18", promise="what a primary without its majority has taken is not acknowledged")
@pytest.mark.timeout(300)
async def test_a_primary_cut_off_from_its_majority_acknowledges_nothing(
    trio: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    async with Load(api, jobs=form.jobs, rate=form.rate(20), seed=form.seed) as load:
        await load.reached(0.3)
        stale = await primary(trio)
        # Frozen members look to a primary like a cut network; clients still reach the primary itself.
        others = [name for name in trio.names("mongod") if name != stale]
        accepted = len(load.jobs)
        for name in others:
            trio.stack.pause(name)
        await asyncio.sleep(form.of(6, 10, 30))  # the length of the partition
        during = len(load.jobs) - accepted
        # The old primary comes back last: its unacknowledged writes are rolled back.
        trio.stack.pause(stale)
        for name in others:
            trio.stack.resume(name)
        elected = await primary_among(trio, others)
        trio.stack.resume(stale)
        healed = time.monotonic()
        await load.done()
    await records.all_final(load.jobs, within=90)
    recovered = time.monotonic() - healed
    await topics.drained(within=40)
    counted = await check(trio, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(accepted_meanwhile=during, elected=elected, recovery_s=recovered, **counted)
    assert during <= 20, "what was on its way when the partition began"


async def primary_among(product: Product, names: list[str]) -> str:
    async def look() -> str:
        for name in names:
            try:
                async with direct(product, name) as client:
                    if (await client.admin.command("hello")).get("isWritablePrimary"):
                        return name
            except ServerSelectionTimeoutError as error:
                # It was frozen a moment ago.
                raise AssertionError(f"{name} does not answer") from error
        raise AssertionError("none of them is primary")

    return await until(look, within=60, what="another primary", every=0.2)


@pytest.mark.row("F19", promise="a write whose answer is lost is made once")
@pytest.mark.timeout(240)
async def test_a_write_whose_answer_is_lost_is_made_once(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    draw = form.draw("F19")
    cuts = int(form.of(5, 15, 40))
    async with Load(api, jobs=form.jobs, rate=form.rate(20), seed=form.seed) as load:
        for turn in range(cuts):
            await load.reached(0.8 * turn / cuts)
            # The request has reached MongoDB; of what it answers only some bytes come through.
            proxied.mongo.tell("cut_answers", draw.randint(0, 4_000))
            await asyncio.sleep(draw.uniform(0.1, 0.5))  # how long answers are lost
            proxied.mongo.heal()
        healed = time.monotonic()
        await load.done()
    await records.all_final(load.jobs, within=90)
    recovered = time.monotonic() - healed
    await topics.drained(within=40)
    counted = await check(proxied.product, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(cuts=cuts, recovery_s=recovered, **counted)
    assert counted["extra attempts"] == 0


@pytest.mark.row("F19", promise="a claim whose answer is lost has got its jobs: they run, once, and at once")
@pytest.mark.timeout(240)
async def test_a_claim_whose_answer_is_lost_has_got_its_jobs(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    jobs: list[str] = []
    for _ in range(int(form.of(3, 10))):
        # Their messages wait before Kafka, so that nothing but a claim is asked of MongoDB when they come through.
        proxied.kafka.silence()
        jobs += await asyncio.gather(*(api.submit("noop") for _ in range(8)))
        proxied.mongo.cut_answers(0)
        proxied.kafka.heal()
        await asyncio.sleep(0.5)  # the driver asks twice by itself
        proxied.mongo.heal()
    healed = time.monotonic()
    # A job that was claimed and forgotten would be found by its time-out, a minute and a half later.
    await records.all_final(jobs, within=30)
    recovered = time.monotonic() - healed
    await topics.drained(within=40)
    counted = await check(proxied.product, api.history, records=records, topics=topics)
    figures(recovery_s=recovered, **counted)
    assert (counted["dead letters"], counted["extra attempts"]) == (0, 0)

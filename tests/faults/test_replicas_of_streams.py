"""Streams when their replica dies, is told to end, or they are cut off: everybody ends on the truth elsewhere."""

import asyncio
import time
from collections.abc import Collection

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.crowd import Crowd
from tests.support.events import Moment
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until_true

CONVERGED = 15.0
PEAK = 3.0
"""Returns in the busiest second, over the mean of all seconds in which somebody returned."""
SPREAD = 5.0
"""Seconds over which a replica that ends spreads those it sends away; who only lost it returns after 1 to 3."""


async def truth(records: Records, jobs: Collection[str]) -> list[tuple[str, Moment, str]]:
    """The jobs as they are stored."""
    stored = await records.jobs(jobs)
    return [(job, (r["version"], r["revision"]), r["state"]) for job, r in stored.items()]


async def converge(crowd: Crowd, records: Records, jobs: Collection[str]) -> float:
    """Wait until all jobs have ended and every reader knows; return the seconds between the two."""
    await records.all_final(jobs, within=90)
    ended = time.monotonic()
    await crowd.know(await truth(records, jobs), within=2 * CONVERGED)
    return time.monotonic() - ended


def peak(crowd: Crowd) -> float:
    """How much busier the busiest second of the return was than the mean one."""
    a_second = [count for count in crowd.returns_per_second() if count]
    return max(a_second) * len(a_second) / sum(a_second)


@pytest.mark.row(
    "F30", promise="when a replica dies all its streams go on at another one, and not all at once"
)
@pytest.mark.timeout(240)
async def test_when_a_replica_dies_all_its_streams_go_on_at_another_one(
    replicas: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    count, jobs = round(form.of(200, 1_000)), round(form.of(60, 100))
    async with Crowd(replicas.stack.api_urls, count=count, replica=1) as crowd:
        async with Load(api, jobs=jobs, rate=15, seed=form.seed) as load:
            await load.reached(0.3)
            await replicas.stack.kill("api-1")
            await until_true(lambda: not crowd.open, within=5, what="the connections to be lost", every=0.01)
            died = time.monotonic()
            await until_true(lambda: crowd.open == count, within=20, what="all to be back")
            back = time.monotonic() - died
        after = await converge(crowd, records, load.jobs)
        await replicas.stack.start("api-1")
    await at_rest(records, topics)
    counted = await check(replicas, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(
        streams=count,
        all_back_after_s=back,
        returns_a_second=crowd.returns_per_second(),
        peak_over_mean=peak(crowd),
        lists_read=crowd.lists,
        converged_after_s=after,
        **counted,
    )
    assert crowd.went_back == 0
    assert after < CONVERGED
    assert peak(crowd) <= PEAK


@pytest.mark.row("F31", promise="a replica told to end says so to every stream, and spreads their return")
@pytest.mark.timeout(240)
async def test_a_replica_told_to_end_says_so_to_every_stream_and_spreads_their_return(
    replicas: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    count, jobs = round(form.of(200, 1_000)), round(form.of(60, 100))
    process = replicas.service("api-1").process
    async with Crowd(replicas.stack.api_urls, count=count, replica=1) as crowd:
        async with Load(api, jobs=jobs, rate=15, seed=form.seed) as load:
            await load.reached(0.3)
            began = time.monotonic()
            await replicas.stack.stop("api-1")
            took, code = time.monotonic() - began, process.exit_code
            await until_true(lambda: crowd.open == count, within=20, what="all to be back")
        after = await converge(crowd, records, load.jobs)
        await replicas.stack.start("api-1")
    await at_rest(records, topics)
    counted = await check(replicas, api.history, records=records, topics=topics, must_fail=load.doomed)
    spread = crowd.returned_at[-1] - crowd.returned_at[0]
    figures(
        streams=count,
        heard_bye=crowd.heard("bye"),
        gone_after_s=took,
        returns_a_second=crowd.returns_per_second(),
        peak_over_mean=peak(crowd),
        lists_read=crowd.lists,
        converged_after_s=after,
        **counted,
    )
    assert crowd.heard("bye") == count
    assert code == 0, "it was neither killed nor overdue"
    assert took < 10
    assert crowd.went_back == 0
    assert after < CONVERGED
    assert spread > SPREAD / 2
    assert peak(crowd) <= PEAK


@pytest.mark.row("F30", promise="a stream cut at any moment resumes on any replica, exactly or with a reset")
@pytest.mark.timeout(240)
async def test_a_stream_cut_at_any_moment_resumes_on_any_replica(
    replicas: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    trials, count = round(form.of(30, 200)), 20
    chance = form.draw("resume")
    async with Crowd(replicas.stack.api_urls, count=count) as crowd:
        jobs = round(form.of(150, 400))
        async with Load(api, jobs=jobs, rate=form.of(25, 15), seed=form.seed) as load:
            cuts = 0
            while cuts < trials:
                there = [reader for reader in crowd.readers if reader.is_open and reader.last_id]
                if there:
                    chance.choice(there).cut()
                    cuts += 1
                await asyncio.sleep(chance.uniform(0, form.of(0.3, 0.2)))  # any moment of the load
            during = load.is_over
        after = await converge(crowd, records, load.jobs)
    counted = await check(replicas, api.history, records=records, topics=topics, must_fail=load.doomed)
    returns = sum(reader.connections - 1 for reader in crowd.readers)
    figures(
        trials=returns,
        resets=sum(r.heard["reset"] for r in crowd.readers),
        converged_after_s=after,
        **counted,
    )
    assert not during, "the load went on until the last cut"
    assert returns >= trials
    assert crowd.went_back == 0
    assert after < CONVERGED

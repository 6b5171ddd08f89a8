"""Job-workers that are killed at random, all at once, frozen for a moment, or short of memory; and two dispatchers."""

import asyncio
import time
from functools import partial

import pytest

from tests.faults.conftest import Form
from tests.faults.test_lost_workers import leader, running_by_worker
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


@pytest.mark.row(
    "F1", promise="workers killed at random lose no job; each kill costs at most the attempts it hit"
)
@pytest.mark.timeout(400)
async def test_jobs_survive_workers_that_are_killed_at_random(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    draw = form.draw("F1")
    kills = int(form.of(3, 8, 20))
    async with Load(api, jobs=form.jobs, rate=form.rate(25), seed=form.seed) as load:
        for _ in range(kills):
            victim = draw.choice(product.names("job-worker"))
            await asyncio.sleep(draw.uniform(0.5, 2.5))  # the time between two kills
            await product.stack.kill(victim)
            await product.stack.start(victim)
        healed = time.monotonic()
        await load.done()
    await records.all_final(load.jobs, within=90)
    recovered = time.monotonic() - healed
    await topics.drained(within=30)
    # A job that was hit each time may run out of attempts: that is what attempts are.
    counted = await check(
        product, api.history, records=records, topics=topics, must_fail=load.doomed, may_fail=load.jobs
    )
    figures(kills=kills, recovery_s=recovered, **counted)


@pytest.mark.row("F2", promise="with all workers gone the backlog grows and drains when they are back")
@pytest.mark.timeout(240)
async def test_a_backlog_grows_without_workers_and_drains_when_they_are_back(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    names = product.names("job-worker")
    async with Load(api, jobs=form.jobs, rate=form.rate(25), seed=form.seed) as load:
        await load.reached(0.2)
        await asyncio.gather(*(product.stack.kill(name) for name in names))
        await load.done()
        assert load.slowest < 2, "nobody who posts notices"
        await asyncio.sleep(form.of(8, 15, 60))  # the length of the outage
        waiting = len(load.jobs) - len(
            [r for r in (await records.jobs(load.jobs)).values() if r["state"] in {"succeeded", "failed"}]
        )
        assert waiting > 0
        began = time.monotonic()
        await asyncio.gather(*(product.stack.start(name) for name in names))
    await records.all_final(load.jobs, within=90)
    drained = time.monotonic() - began
    await topics.drained(within=30)
    counted = await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(waiting=waiting, recovery_s=drained, **counted)


@pytest.mark.row("F4", promise="a worker frozen for less than its lease keeps its jobs, and each runs once")
@pytest.mark.timeout(180)
async def test_a_worker_frozen_past_its_kafka_session_but_not_its_lease_keeps_its_jobs(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    jobs = [await api.submit("sleep", {"seconds": 14}) for _ in range(8)]
    places = await running_by_worker(product, records, jobs)
    frozen = places[jobs[0]]
    started = {job: (await records.job(job))["version"] for job in jobs}
    # The session ends after 6 s, the lease at the earliest 7 s after the last renewal was due.
    product.stack.pause(frozen)
    await asyncio.sleep(6.6)  # the length of the freeze
    product.stack.resume(frozen)
    began = time.monotonic()
    behind = [await api.submit("noop") for _ in range(30)]
    await records.all_final(behind, within=30)
    went_on = time.monotonic() - began
    await records.all_final(jobs, within=40)
    await topics.drained(within=40)
    counted = await check(product, api.history, records=records, topics=topics)
    ended = await records.jobs(jobs)
    kept = [job for job in jobs if ended[job]["version"] == started[job] + 1]
    figures(
        frozen_with=sum(p == frozen for p in places.values()), kept=len(kept), recovery_s=went_on, **counted
    )
    assert counted["stray results"] == 0
    assert len(kept) == len(jobs), "the lease decides who runs a job, not the group"


@pytest.mark.row("F44", promise="two dispatchers at once double nothing")
@pytest.mark.timeout(240)
async def test_two_dispatchers_at_once_double_nothing(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    draw = form.draw("F44")
    jobs: list[str] = []

    async def keep_it_busy() -> None:
        # Everything the dispatcher looks after: what is due, what is tried again, what it reaps.
        for number in range(form.jobs):
            if number % 3:
                jobs.append(await api.submit("noop", delay=round(draw.uniform(0.2, 12), 2)))
            else:
                jobs.append(await api.submit("sleep", {"seconds": 0.01, "fail": "retry"}, max_attempts=2))

    # So many failures of one kind would pause their task.
    async with product.having("job-worker", BRAKE__RUN="0"):
        frozen = await leader(product)
        posting = asyncio.create_task(keep_it_busy())
        rounds = int(form.of(2, 4, 10))
        for _ in range(rounds):
            product.stack.pause(frozen)
            other = await until(
                partial(_other_leads, product, frozen), within=30, what="another to lead", every=0.2
            )
            product.stack.resume(frozen)
            frozen = other
        await posting
        healed = time.monotonic()
        await records.all_final(jobs, within=90)
        recovered = time.monotonic() - healed
    await topics.drained(within=30)
    doomed = {job for job, r in (await records.jobs(jobs)).items() if r["task"] == "sleep"}
    counted = await check(product, api.history, records=records, topics=topics, must_fail=doomed)
    figures(take_overs=rounds, recovery_s=recovered, **counted)


async def _other_leads(product: Product, frozen: str) -> str:
    leading = [
        name
        for name in product.names("job-worker")
        if name != frozen
        and any(s.name == "dispatcher_leading" and s.value for s in await product.metrics(name))
    ]
    assert leading
    return leading[0]


@pytest.mark.row("F40", promise="a worker that runs out of memory is like one that is killed")
@pytest.mark.timeout(240)
async def test_a_worker_that_runs_out_of_memory_loses_no_job(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    victim = product.service("job-worker-1")
    async with Load(api, jobs=form.jobs, rate=form.rate(25), seed=form.seed) as load:
        await load.reached(0.3)
        pid = victim.process.pid
        assert pid is not None
        limited = _limit_memory(pid)
        await asyncio.sleep(form.of(4, 8))  # how long it is short of memory
        survived = victim.process.alive
        await product.stack.kill(victim.name)
        await product.stack.start(victim.name)
        healed = time.monotonic()
        await load.done()
    await records.all_final(load.jobs, within=60)
    recovered = time.monotonic() - healed
    await topics.drained(within=30)
    counted = await check(
        product, api.history, records=records, topics=topics, must_fail=load.doomed, may_fail=load.jobs
    )
    figures(limit_mib=limited >> 20, survived=survived, recovery_s=recovered, **counted)


def _limit_memory(pid: int) -> int:
    """Let the process have no more address space than it has now; return the limit in bytes."""
    import resource

    import psutil

    limit = psutil.Process(pid).memory_info().vms
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    return int(limit)

"""Job-workers that die, freeze or are told to go while jobs run on them."""

import time

import pytest

from job_contracts.messages import read_succeeded
from job_contracts.topics import Topic
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


async def leader(product: Product) -> str:
    """The job-worker whose dispatcher is the active one."""

    async def look() -> str:
        leading = [
            name
            for name in product.names("job-worker")
            if any(s.name == "dispatcher_leading" and s.value for s in await product.metrics(name))
        ]
        assert len(leading) == 1, f"{leading} lead"
        return leading[0]

    return await until(look, within=20, what="one dispatcher to lead")


async def running_by_worker(product: Product, records: Records, jobs: list[str]) -> dict[str, str]:
    """Wait until all of the jobs run, and return the name of the process each runs on."""

    async def look() -> dict[str, str]:
        stored = await records.jobs(jobs)
        states = {r["state"] for r in stored.values()}
        assert states == {"running"}, f"they are {states}"
        return {job: await product.worker_of(record["worker"]) for job, record in stored.items()}

    return await until(look, within=30, what="the jobs to run")


@pytest.mark.row("F1", promise="the jobs of a killed worker run again on another within 15 s", telling=True)
@pytest.mark.timeout(150)
@pytest.mark.parametrize("role", ["the dispatcher's own worker", "another worker"])
async def test_jobs_of_a_crashed_worker_run_again_on_another(
    role: str, product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    leads = await leader(product)
    victim = leads if "own" in role else next(n for n in product.names("job-worker") if n != leads)
    jobs = [await api.submit("sleep", {"seconds": 6}) for _ in range(16)]
    hit = [job for job, name in (await running_by_worker(product, records, jobs)).items() if name == victim]
    assert hit, "some of the jobs run where the crash is"
    await product.stack.kill(victim)
    crashed = time.monotonic()

    async def run_again() -> bool:
        versions = {job: r["version"] for job, r in (await records.jobs(hit)).items() if r["version"] < 5}
        assert not versions, f"not claimed again: {versions}"
        return True

    # Promised are 15 s at most: the lease of 10 s, and 5 s more when the dispatcher dies as well.
    await until(run_again, within=30, what="the jobs to run again")
    again = time.monotonic() - crashed
    await records.all_final(jobs, within=60)
    await product.stack.start(victim)
    await topics.drained()
    counted = await check(product, api.history, records=records, topics=topics)
    figures(jobs_hit=len(hit), recovery_s=again, **counted)
    assert counted["stalled attempts"] == len(hit)


@pytest.mark.row(
    "F3", promise="a late result of a worker that was taken for dead changes nothing", telling=True
)
@pytest.mark.timeout(150)
async def test_the_late_result_of_a_worker_frozen_past_its_lease_changes_nothing(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    job = await api.submit("sleep", {"seconds": 8})
    zombie = (await running_by_worker(product, records, [job]))[job]
    dropped = await product.counted(
        "result-worker", "messages_dropped_total", topic="results", reason="stale_version"
    )
    product.stack.pause(zombie)
    frozen = time.monotonic()

    async def runs_elsewhere() -> bool:
        record = await records.job(job)
        return bool(record["state"] == "running" and record["version"] > 2)

    await until(runs_elsewhere, within=45, what="the job to run on the worker that lives")
    taken_over = time.monotonic() - frozen
    second = (await records.job(job))["version"]
    product.stack.resume(zombie)

    async def late_result_came() -> bool:
        came = [read_succeeded(r.value).version for r in await topics.dump(Topic.RESULTS)]
        assert 2 in came, f"results came of versions {came}"
        return True

    await until(late_result_came, within=20, what="the zombie's late result", every=0.2)
    between = await records.job(job)
    assert (between["state"], between["version"]) == ("running", second), "the late result moved the job"
    ended = await api.finish(job, within=30)
    assert (ended["state"], ended["version"], ended["attempt"]) == ("succeeded", second + 1, 2)
    assert [a["outcome"] for a in await api.attempts(job)] == ["stalled", "succeeded"]
    await topics.drained()
    assert dropped < await product.counted(
        "result-worker", "messages_dropped_total", topic="results", reason="stale_version"
    )
    counted = await check(product, api.history, records=records, topics=topics)
    figures(recovery_s=taken_over, **counted)
    assert counted["stray results"] == 1


@pytest.mark.row(
    "F29", promise="a worker told to end gives its jobs back, and no attempt is burnt", telling=True
)
@pytest.mark.timeout(120)
async def test_a_worker_told_to_end_gives_its_jobs_back_and_burns_no_attempt(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    async with product.having("job-worker", SHUTDOWN_GRACE="PT13S"):  # 3 s for jobs to finish
        jobs = [await api.submit("sleep", {"seconds": 15}) for _ in range(8)]
        short = await api.submit("sleep", {"seconds": 2})
        places = await running_by_worker(product, records, [*jobs, short])
        leaving = places[short]
        mine = [job for job in jobs if places[job] == leaving]
        began = time.monotonic()
        await product.stack.stop(leaving)
        took = time.monotonic() - began
        assert product.stack.part(leaving).process.exit_code == 0
        assert (await api.finish(short, within=5))["version"] == 3, "what could finish was let finish"
        for job in mine:
            view = await api.reach(job, "running", within=15)
            assert (view["version"], view["attempt"]) == (4, 1)
        await records.all_final([*jobs, short], within=45)
        await topics.drained()
        counted = await check(product, api.history, records=records, topics=topics)
        figures(gave_back=len(mine), ended_after_s=took, **counted)
        assert counted["extra attempts"] == 0

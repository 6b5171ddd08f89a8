"""What is judged of running jobs: not before their outcomes are applied, not twice, and not against a cancel."""

import asyncio
from collections import Counter

import pytest

from job_contracts.messages import read_dead_letter, read_succeeded
from job_contracts.topics import Topic
from tests.faults.conftest import Form
from tests.faults.test_lost_workers import leader, running_by_worker
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


async def follower(product: Product) -> str:
    """A job-worker that the leading dispatcher outlives."""
    leads = await leader(product)
    return next(name for name in product.names("job-worker") if name != leads)


@pytest.mark.row(
    "F1", promise="what a killed worker has finished is not run again, however late it is recorded"
)
@pytest.mark.timeout(180)
async def test_finished_work_is_not_run_again_though_its_results_wait(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    victim = await follower(product)
    jobs = [await api.submit("sleep", {"seconds": 2}) for _ in range(16)]
    places = await running_by_worker(product, records, jobs)
    product.stack.pause("result-worker-1")

    async def all_published() -> bool:
        came = {read_succeeded(r.value).job_id for r in await topics.dump(Topic.RESULTS)}
        assert came >= set(jobs), f"{len(came)} of {len(jobs)} results"
        return True

    await until(all_published, within=30, what="every result to be on its topic", every=0.2)
    await product.stack.kill(victim)
    await asyncio.sleep(form.of(14, 20))  # longer than the lease of the dead
    assert {r["state"] for r in (await records.jobs(jobs)).values()} == {"running"}, "nobody judges them"
    product.stack.resume("result-worker-1")
    await product.stack.start(victim)
    await records.all_final(jobs, within=60)
    await topics.drained(within=30)
    counted = await check(product, api.history, records=records, topics=topics)
    figures(finished_by_the_dead=sum(place == victim for place in places.values()), **counted)
    assert (counted["extra attempts"], counted["stalled attempts"]) == (0, 0)


@pytest.mark.row("F1", promise="the last attempt of a killed worker ends in one dead letter")
@pytest.mark.timeout(180)
async def test_the_letter_of_a_stalled_job_goes_out_once_though_nobody_reads_it(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    victim = await follower(product)
    await topics.drained(within=30)
    jobs = [await api.submit("sleep", {"seconds": 40}, max_attempts=1) for _ in range(16)]
    places = await running_by_worker(product, records, jobs)
    hit = [job for job, place in places.items() if place == victim]
    for job in set(jobs) - set(hit):
        await api.cancel(job)
    product.stack.pause("dlq-worker-1")
    await product.stack.kill(victim)

    async def sent() -> Counter[str]:
        letters = [read_dead_letter(r.value) for r in await topics.dump(Topic.DEAD_LETTER)]
        counted = Counter(str(getattr(letter, "job_id", "")) for letter in letters)
        assert counted.keys() >= set(hit), f"letters of {len(counted)} of {len(hit)} jobs"
        return counted

    await until(sent, within=60, what="a letter for each job of the dead", every=0.2)
    await asyncio.sleep(form.of(4, 8))  # many ticks of the dispatcher
    letters = await sent()
    product.stack.resume("dlq-worker-1")
    await product.stack.start(victim)
    await records.all_final(jobs, within=60)
    await topics.drained(within=30)
    counted = await check(
        product, api.history, records=records, topics=topics, must_fail=hit, must_cancel=set(jobs) - set(hit)
    )
    figures(stalled=len(hit), letters=sum(letters.values()), **counted)
    assert max(letters.values()) == 1, "it is sent again only when it was lost"


@pytest.mark.timeout(180)
async def test_a_cancel_that_comes_as_the_attempt_ends_is_not_forgotten(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    async def one(number: int) -> tuple[str, int | None]:
        job = await api.submit("sleep", {"seconds": 0.4 + number / 40, "fail": "retry"}, max_attempts=3)
        await api.reach(job, "running", within=30)
        asked = (await api.cancel(job)).json()
        return job, asked["version"] if asked["state"] == "running" else None

    # Should one worker get them all, its brake sees other ends as well: a paused task would spoil the rows that follow.
    well = [await api.submit("sleep", {"seconds": 0.4 + number / 40}) for number in range(0, 24, 2)]
    asked = dict(await asyncio.gather(*(one(number) for number in range(24))))
    await records.all_final([*asked, *well], within=60)
    stored = await records.jobs(asked)
    figures(cancelled_while_running=sum(v is not None for v in asked.values()))
    assert {r["state"] for r in stored.values()} == {"cancelled"}
    went_on = {
        job: stored[job]["version"] for job, v in asked.items() if v and stored[job]["version"] != v + 1
    }
    assert not went_on, f"tried again although they should stop: {went_on}"

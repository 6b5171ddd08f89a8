"""Services that die in the middle of their work: nothing accepted is lost, nothing is done twice to a record."""

import asyncio
import time
from uuid import uuid4

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


@pytest.mark.row(
    "F1",
    promise="no accepted job is lost and none ends twice when each service is killed in turn",
    telling=True,
)
@pytest.mark.timeout(300)
async def test_every_job_survives_that_each_service_is_killed_in_turn(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    victims = ["api-1", "job-worker-1", "result-worker-1", "dlq-worker-1"]

    async def is_busy(worker: str) -> bool:
        return any(s.name == "slots_busy" and s.value > 0 for s in await product.metrics(worker))

    async with product.events("/events", again=True) as events:
        async with Load(api, jobs=max(form.jobs, 200), rate=form.rate(25), seed=form.seed) as load:
            for turn, victim in enumerate(victims, 1):
                await load.reached(turn / 5)
                if victim.startswith("job-worker"):
                    await until(lambda: is_busy("job-worker-1"), within=30, what="it to run jobs", every=0.01)
                await product.stack.kill(victim)
                await product.stack.start(victim)
            healed = time.monotonic()
            await load.done()
        await records.all_final(load.jobs, within=60)
        recovered = time.monotonic() - healed
        await topics.drained(within=30)
        for job in load.jobs:
            await events.seen(job, "failed" if job in load.doomed else "succeeded", within=30)
    counted = await check(
        product, api.history, records=records, topics=topics, events=events, must_fail=load.doomed
    )
    figures(killed=len(victims), recovery_s=recovered, **counted)
    assert counted["repeated posts"], "the api died with requests under way"
    assert counted["stalled attempts"], "the worker died with jobs under way"


@pytest.mark.row(
    "F7", promise="a repeated Idempotency-Key makes one job, also across a kill of the api", telling=True
)
@pytest.mark.timeout(180)
async def test_a_key_that_is_repeated_across_a_kill_of_the_api_makes_one_job(
    product: Product, api: Api, records: Records, figures: Figures
) -> None:
    """Kills until jobs were stored that nobody was told of: those are what the key is for."""
    jobs: dict[str, str] = {}
    for round_of_kills in range(1, 9):
        keys, tag = [str(uuid4()) for _ in range(200)], str(uuid4())
        body = {"task": "noop", "payload": {}, "tags": [tag]}
        posts = [asyncio.create_task(api.post(body, key=key)) for key in keys]
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        await product.stack.kill("api-1")
        await asyncio.gather(*posts, return_exceptions=True)
        told = sum(post.job is not None for post in api.history[-len(keys) :])
        stored = await records.database["jobs"].count_documents({"tags": tag})
        await product.stack.start("api-1")
        answers = await asyncio.gather(*(api.post(body, key=key) for key in keys))
        assert {a.status_code for a in answers} <= {200, 202}
        jobs |= {key: a.json()["id"] for key, a in zip(keys, answers, strict=True)}
        assert await records.database["jobs"].count_documents({"tags": tag}) == len(keys)
        figures(round=round_of_kills, posts=len(keys), answered=told, stored=stored)
        if stored > told:
            break
    else:
        raise AssertionError("no kill came between the writing and the answer")
    for post in api.history:
        if post.job is not None and post.key is not None:
            assert jobs[post.key] == post.job
    assert len(set(jobs.values())) == len(jobs)
    await records.all_final(jobs.values(), within=30)

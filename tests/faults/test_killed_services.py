"""Services that die in the middle of their work: nothing accepted is lost, nothing is done twice to a record."""

import asyncio
import time
from uuid import uuid4

import pytest

from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

JOBS, AT_A_TIME = 1_000, 50
KILLED = {2: "api-1", 6: "job-worker-1", 10: "result-worker-1", 14: "dlq-worker-1"}
"""Who dies in the middle of which fifty."""


@pytest.mark.timeout(240)
async def test_a_thousand_jobs_survive_that_each_service_is_killed_in_turn(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    coming_back: list[asyncio.Task[None]] = []

    async def one(number: int) -> str:
        match number % 10:
            case 0:
                return await api.submit_surely("sleep", {"seconds": 0.05, "fail": "reject"})
            case 1:
                return await api.submit_surely("sleep", {"seconds": 1})
            case n if n < 6:
                return await api.submit_surely("noop")
            case n:
                return await api.submit_surely("sleep", {"seconds": n / 100})

    async def is_busy(worker: str) -> bool:
        return any(s.name == "slots_busy" and s.value > 0 for s in await product.metrics(worker))

    async def fifty(first: int, victim: str | None) -> list[str]:
        posts = [asyncio.create_task(one(n)) for n in range(first, first + AT_A_TIME)]
        if victim is not None:
            await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
            if victim.startswith("job-worker"):
                await until(lambda: is_busy(victim), within=30, what=f"{victim} to run jobs", every=0.01)
            await product.stack.kill(victim)
            coming_back.append(asyncio.create_task(product.stack.start(victim)))
        return await asyncio.gather(*posts)

    async with product.events("/events", again=True) as events:
        jobs: list[str] = []
        for batch, first in enumerate(range(0, JOBS, AT_A_TIME)):
            victim = KILLED.get(batch)
            if victim is not None:
                await asyncio.gather(*coming_back)  # in turn: one is down at a time
            jobs += await fifty(first, victim)
        await asyncio.gather(*coming_back)
        healed = time.monotonic()
        await records.all_final(jobs, within=60)
        recovered = time.monotonic() - healed
        await topics.drained(within=30)
        doomed = {job for number, job in enumerate(jobs) if number % 10 == 0}
        for job in jobs:
            await events.seen(job, "failed" if job in doomed else "succeeded", within=30)
    counted = await check(
        product, api.history, records=records, topics=topics, events=events, must_fail=doomed
    )
    figures(killed=len(coming_back), recovery_s=recovered, **counted)
    assert counted["accepted"] == JOBS
    assert counted["repeated posts"], "the api died with requests under way"
    assert counted["stalled attempts"], "the worker died with jobs under way"


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

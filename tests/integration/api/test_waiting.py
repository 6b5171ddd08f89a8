"""`Prefer: wait` over HTTP, on real servers; the tests play the workers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import Hand
from tests.support.api import Api
from tests.support.product import Product
from tests.support.waiting import until

MOST = 6


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """Little room, so that it runs out."""
    return {"HTTP__WAITING": str(MOST), "STREAMS__RECONCILE": "PT1S"}


@pytest.fixture
async def api(api: Api, product: Product) -> AsyncIterator[Api]:
    """A client more patient than any wait; the one it replaces has seen the catalogue."""
    async with product.api(timeout=40) as patient:
        yield patient


async def waiting(product: Product, count: int) -> None:
    """Wait until so many requests wait."""

    async def look() -> bool:
        now = await product.counted("api", "requests_waiting")
        assert now == count, f"{now:g} wait"
        return True

    await until(look, within=10, what=f"{count} requests to wait")


@asynccontextmanager
async def begun(product: Product, *requests: Any, others: int = 0) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Requests that wait all at once, and are ended in any case."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        await waiting(product, len(tasks) + others)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def newest(product: Product, tag: str, api: Api) -> str:
    """The job with this tag, once it is stored."""

    async def look() -> list[dict[str, Any]]:
        return await api.listed(tag=tag)

    return str((await until(look, within=10, what="the job to be stored"))[0]["id"])


async def test_a_submission_that_waits_is_answered_with_the_ended_job(
    product: Product, api: Api, hand: Hand
) -> None:
    tag = str(uuid4())
    async with begun(product, api.post({"task": "noop", "tags": [tag]}, prefer="wait=25")) as (post,):
        job = await newest(product, tag, api)
        await hand.claim(job)
        await hand.progress(job, 50)
        await hand.succeed(job)
        done = time.monotonic()
        answer = await post
    assert time.monotonic() - done < 12, "it does not take the whole time"
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=25")
    assert (answer.json()["state"], answer.json()["result"]) == ("succeeded", {"done": True})
    assert answer.headers["location"] == f"/jobs/{job}"
    assert answer.json() == await api.view(job)


async def test_a_submission_whose_job_does_not_end_in_time_is_answered_as_it_stands(
    product: Product, api: Api, hand: Hand
) -> None:
    tag = str(uuid4())
    async with begun(product, api.post({"task": "noop", "tags": [tag]}, prefer="wait=2")) as (post,):
        await hand.claim(await newest(product, tag, api))
        answer = await post
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=2")
    assert answer.json()["state"] == "running"


async def test_a_repeat_of_an_ended_job_is_answered_at_once(api: Api, hand: Hand) -> None:
    key = str(uuid4())
    job = (await api.post({"task": "noop"}, key=key)).json()["id"]
    await hand.claim(job)
    await hand.fail(job)
    began = time.monotonic()
    again = await api.post({"task": "noop"}, key=key, prefer="wait=30")
    assert time.monotonic() - began < 15, "it does not take the whole time"
    assert (again.status_code, again.json()["state"]) == (200, "failed")


async def test_a_look_that_waits_is_answered_at_the_next_change(
    product: Product, api: Api, hand: Hand
) -> None:
    job = await api.submit()

    async def look(**headers: str) -> httpx.Response:
        return await api.get(f"/jobs/{job}", headers={"prefer": "wait=25", **headers})

    async with begun(product, look(), look(**{"if-none-match": '"1.0"'})) as looks:
        await hand.claim(job)
        for answer in await asyncio.gather(*looks):
            assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=25")
            assert (answer.json()["state"], answer.headers["etag"]) == ("running", '"2.0"')
    async with begun(product, look(**{"if-none-match": '"2.0"'})) as (progress,):
        await hand.progress(job, 50)
        assert (await progress).json()["progress"]["percent"] == 50
    known = await look(**{"if-none-match": '"1.0"'})
    assert known.headers["etag"] == '"2.1"', "what the client does not know is told at once"
    async with begun(product, look()) as (end,):
        await hand.succeed(job, announce=False)
        assert (await end).json()["state"] == "succeeded", "an event that was lost is made good"
    ended = await look(**{"if-none-match": '"3.0"'})
    assert ended.status_code == 304, "an ended job does not change"


async def test_a_look_at_what_does_not_change_in_time_says_so(api: Api) -> None:
    job = await api.submit("noop", delay=60)
    headers = {"prefer": "wait=1"}
    same = await api.get(f"/jobs/{job}", headers={**headers, "if-none-match": '"1.0"'})
    assert (same.status_code, same.headers["preference-applied"]) == (304, "wait=1")
    assert (await api.get(f"/jobs/{job}", headers=headers)).json()["version"] == 1
    assert (await api.get(f"/jobs/{uuid4()}", headers=headers)).status_code == 404


async def test_those_for_whom_there_is_no_room_are_answered_at_once_and_nobody_else_notices(
    product: Product, api: Api
) -> None:
    job = await api.submit("noop", delay=60)
    looks = [api.get(f"/jobs/{job}", headers={"prefer": "wait=25"}) for _ in range(MOST)]
    async with begun(product, *looks):
        began = time.monotonic()
        more = [await api.post({"task": "noop"}, prefer="wait=25")]
        more.append(await api.get(f"/jobs/{job}", headers={"prefer": "wait=25"}))
        assert [answer.status_code for answer in more] == [202, 200]
        assert all("preference-applied" not in answer.headers for answer in more)
        assert (await api.post({"task": "noop"})).status_code == 202
        assert time.monotonic() - began < 12, "none of them waits"
    await waiting(product, 0)


async def test_an_api_told_to_end_answers_those_who_wait_and_ends_in_time(product: Product, api: Api) -> None:
    job = await api.submit("noop", delay=60)
    post = api.post({"task": "noop"}, prefer="wait=30", connection="close")
    look = api.get(f"/jobs/{job}", headers={"prefer": "wait=30"})
    async with begun(product, post, look) as requests:
        began = time.monotonic()
        await product.stack.stop("api-1")
        answers = await asyncio.gather(*requests)
        assert time.monotonic() - began < 15
    await product.stack.start("api-1")
    assert [answer.status_code for answer in answers] == [202, 200]
    assert [answer.json()["state"] for answer in answers] == ["pending", "waiting"]

"""Figures that many ask for and few compute."""

import asyncio
from datetime import timedelta

import pytest

from api.cached import Cached


async def test_all_who_ask_meanwhile_share_one_computation() -> None:
    runs = 0

    async def compute() -> int:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return runs

    cached = Cached(compute, fresh=timedelta(hours=1))
    assert await asyncio.gather(*(cached.get() for _ in range(20))) == [1] * 20
    assert await cached.get() == 1


async def test_a_stale_answer_is_computed_anew() -> None:
    now = [100.0]
    answers = iter([1, 2, 3])

    async def compute() -> int:
        now[0] += 2
        return next(answers)

    cached = Cached(compute, fresh=timedelta(seconds=1), clock=lambda: now[0])
    assert [await cached.get(), await cached.get()] == [1, 1]
    now[0] += 5
    assert await cached.get() == 1, "what took two seconds is good for twenty"
    now[0] += 16
    assert await cached.get() == 2


async def test_a_failure_is_told_and_does_not_stay() -> None:
    outcomes = iter([OSError("away"), None])

    async def compute() -> str:
        if (error := next(outcomes)) is not None:
            raise error
        return "here"

    cached = Cached(compute, fresh=timedelta(0))
    with pytest.raises(OSError, match="away"):
        await cached.get()
    assert await cached.get() == "here"


async def test_who_asks_does_not_wait_for_a_slow_computation_but_gets_the_answer_of_before() -> None:
    runs, go = 0, asyncio.Event()

    async def compute() -> int:
        nonlocal runs
        runs += 1
        if runs > 1:
            await go.wait()
        return runs

    cached = Cached(compute, fresh=timedelta(0))
    within = timedelta(milliseconds=20)
    assert await cached.get(within=within) == 1
    assert await asyncio.gather(*(cached.get(within=within) for _ in range(5))) == [1] * 5
    assert runs == 2, "nobody has begun another one"
    go.set()
    assert await cached.get() == 2


async def test_a_slow_computation_without_an_answer_of_before_is_a_timeout() -> None:
    cached = Cached(asyncio.Event().wait)
    with pytest.raises(TimeoutError):
        await cached.get(within=timedelta(milliseconds=10))

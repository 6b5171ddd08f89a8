"""Who breaks things by chance does so fairly, repeatably, and cleans up."""

import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from tests.support.mischief import Fault, Mischief

open_now: Counter[str] = Counter()


@asynccontextmanager
async def broken(victim: str) -> AsyncIterator[None]:
    open_now[victim] += 1
    try:
        yield
    finally:
        open_now[victim] -= 1


def faults() -> list[Fault]:
    names = [(how, victim) for victim in ("api-1", "kafka", "mongod") for how in ("kill", "freeze")]
    return [Fault(f"{how} {victim}", victim, 0, partial(broken, victim)) for how, victim in names]


def plan(seed: int) -> list[tuple[list[str], float]]:
    steps = Mischief(faults(), random.Random(seed)).plan()
    return [([f.name for f in some], lasts) for some, lasts in itertools.islice(steps, 4_000)]


def test_the_same_seed_plays_the_same_faults_and_another_does_not() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_a_quarter_of_the_time_is_quiet_and_everything_comes_up() -> None:
    steps = plan(3)
    quiet = sum(lasts for names, lasts in steps if not names) / sum(lasts for _, lasts in steps)
    assert 0.2 < quiet < 0.3
    assert {name for names, _ in steps for name in names} == {fault.name for fault in faults()}


def test_two_faults_at_once_have_two_victims() -> None:
    pairs = [names for names, _ in plan(4) if len(names) == 2]
    assert pairs
    assert all(one.split()[1] != other.split()[1] for one, other in pairs)


async def test_nothing_is_broken_any_more_when_its_time_is_up() -> None:
    mischief = Mischief(faults(), random.Random(5))
    await mischief.go_on(seconds=0.2)
    assert not +open_now
    assert mischief.played or mischief.quiet


async def test_what_others_stand_on_is_mended_first() -> None:
    ended = list[str]()

    @asynccontextmanager
    async def noting(name: str) -> AsyncIterator[None]:
        yield
        ended.append(name)

    depths = {"mongo link": 2, "job-worker-1": 0, "mongod": 1}
    some = [Fault(name, name, depth, partial(noting, name)) for name, depth in depths.items()]
    await Mischief(some, random.Random(6)).play(some, 0)
    assert ended == ["mongo link", "mongod", "job-worker-1"]

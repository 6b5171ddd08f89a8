"""Group commit."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from service_chassis.grouping import Grouped


class Recorder:
    """Doubles numbers and remembers the groups; holds the first one until told."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()

    async def double(self, group: Sequence[int]) -> list[int]:
        self.groups.append(list(group))
        await self.go.wait()
        if 13 in group:
            raise ValueError("13 is not doubled")
        return [2 * n for n in group]


async def test_what_comes_while_one_is_in_flight_shares_the_next() -> None:
    recorder = Recorder()
    grouped: Grouped[int, int] = Grouped(recorder.double)
    answers = [asyncio.create_task(grouped.submit(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answers += [asyncio.create_task(grouped.submit(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    recorder.go.set()
    assert await asyncio.gather(*answers) == [0, 2, 4, 6]
    assert recorder.groups == [[0], [1, 2, 3]]


async def test_a_group_has_a_largest_size() -> None:
    recorder = Recorder()
    recorder.go.set()
    grouped: Grouped[int, int] = Grouped(recorder.double, most=2)
    assert await asyncio.gather(*(grouped.submit(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert [len(group) for group in recorder.groups] == [2, 2, 1]


async def test_an_error_reaches_everybody_in_the_group_and_nobody_in_the_next() -> None:
    recorder = Recorder()
    recorder.go.set()
    grouped: Grouped[int, int] = Grouped(recorder.double, most=2)
    answers = await asyncio.gather(*(grouped.submit(n) for n in (1, 13, 3)), return_exceptions=True)
    assert isinstance(answers[0], ValueError)
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 6


async def test_whoever_has_stopped_waiting_has_nothing_done_for_him() -> None:
    recorder = Recorder()
    grouped: Grouped[int, int] = Grouped(recorder.double)
    first = asyncio.create_task(grouped.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone = asyncio.create_task(grouped.submit(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    recorder.go.set()
    assert await first == 2
    await grouped.submit(3)
    assert recorder.groups == [[1], [3]]


async def test_a_stuck_operation_is_given_up_and_the_next_group_has_its_turn() -> None:
    recorder = Recorder()
    grouped: Grouped[int, int] = Grouped(recorder.double, within=timedelta(seconds=0.05))
    first = asyncio.create_task(grouped.submit(1))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(grouped.submit(2))
    with pytest.raises(TimeoutError):
        await first
    recorder.go.set()
    assert await second == 4

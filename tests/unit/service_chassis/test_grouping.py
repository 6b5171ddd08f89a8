"""Group commit."""

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta
from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from service_chassis.grouping import Grouped, GroupLostError
from service_chassis.publisher import PublishError


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


async def test_a_bad_item_has_the_error_and_its_group_its_answers() -> None:
    recorder = Recorder()
    recorder.go.set()
    grouped: Grouped[int, int] = Grouped(recorder.double)
    answers = await asyncio.gather(*(grouped.submit(n) for n in range(64)), return_exceptions=True)
    assert isinstance(answers[13], ValueError)
    assert [a for a in answers if not isinstance(a, BaseException)] == [2 * n for n in range(64) if n != 13]
    assert len(recorder.groups) == 1 + 2 * math.log2(64), "each halving costs two operations more"


@given(bad=st.sets(st.integers(0, 99)))
async def test_however_many_are_bad_the_others_have_their_answers(bad: set[int]) -> None:
    calls = 0

    async def operate(group: Sequence[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if bad & set(group):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return list(group)

    grouped: Grouped[int, int] = Grouped(operate, most=100)
    answers = await asyncio.gather(*(grouped.submit(n) for n in range(100)), return_exceptions=True)
    assert {n for n, answer in enumerate(answers) if isinstance(answer, UnicodeEncodeError)} == bad
    assert {answer for answer in answers if isinstance(answer, int)} == set(range(100)) - bad
    assert calls <= 1 + 2 * math.ceil(math.log2(100)) * len(bad)


@pytest.mark.parametrize("error", [AutoReconnect("gone"), PublishError("gone"), TimeoutError()], ids=repr)
async def test_an_outage_is_everybodys_and_splits_nothing(error: Exception) -> None:
    operate = AsyncMock(side_effect=error)
    grouped: Grouped[int, int] = Grouped(operate)
    answers = await asyncio.gather(*(grouped.submit(n) for n in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(error)] * 5
    operate.assert_awaited_once()


async def test_an_outage_amid_the_splitting_leaves_answers_that_are_known() -> None:
    async def operate(group: Sequence[int]) -> list[int]:
        if len(group) > 1:
            raise ValueError("one of these")
        if group[0] == 2:
            raise AutoReconnect("gone")
        return list(group)

    grouped: Grouped[int, int] = Grouped(operate)
    answers = await asyncio.gather(*(grouped.submit(n) for n in range(4)), return_exceptions=True)
    assert answers[:2] == [0, 1]
    assert [type(answer) for answer in answers[2:]] == [AutoReconnect] * 2


async def test_nobody_waits_for_ever_for_an_operation_that_a_library_has_cancelled() -> None:
    async def operate(group: Sequence[int]) -> list[int]:
        if 1 in group:
            raise asyncio.CancelledError
        return list(group)

    grouped: Grouped[int, int] = Grouped(operate, most=1)
    with pytest.raises(GroupLostError):
        await grouped.submit(1)
    assert await grouped.submit(2) == 2


async def test_too_few_answers_are_an_error_and_leave_nobody_waiting() -> None:
    async def operate(group: Sequence[int]) -> list[int]:
        return []

    grouped: Grouped[int, int] = Grouped(operate)
    answers = await asyncio.gather(*(grouped.submit(n) for n in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError] * 3


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

"""Places for running jobs, the line before them, and outcomes on their way."""

import asyncio
from datetime import timedelta

from job_worker.slots import ON_THE_WAY, SOON, Slots, Turn

_SMALL = 100
_MUCH = ON_THE_WAY * 4096
"""A result that weighs as much as all the small ones that need no place."""


def _full(total: int) -> Slots:
    slots = Slots(total)
    for _ in range(total):
        assert slots.take() is None
    return slots


def _in_line(slots: Slots) -> Turn:
    turn = slots.take()
    assert turn is not None
    return turn


def _quick(slots: Slots) -> Slots:
    for _ in range(5_000):
        slots.took(SOON.total_seconds() / 4)
    return slots


def test_an_outcome_on_its_way_takes_no_place() -> None:
    slots = _full(2)
    slots.leave(size=_SMALL)
    slots.leave(size=_SMALL)
    assert (slots.busy, slots.free) == (0, 2)


def test_outcomes_that_nobody_acknowledges_take_places_again() -> None:
    slots = Slots(2)
    for _ in range(ON_THE_WAY + 2):
        slots.take()
        slots.leave(size=_SMALL)
    assert (slots.busy, slots.free) == (2, 0)


async def test_a_large_outcome_counts_as_several() -> None:
    slots = _full(2)
    weight = slots.leave(size=_MUCH)
    assert (slots.busy, slots.free) == (2, 0)
    slots.come_back(weight)
    slots.release(None)
    assert (slots.busy, slots.free) == (1, 1)


def test_what_has_arrived_is_gone_when_its_attempt_ends() -> None:
    slots = _full(1)
    weight = slots.leave(size=_SMALL)
    slots.come_back(weight)
    assert slots.free == 0
    slots.release(None)
    assert slots.free == 1


def test_at_first_there_is_room_for_as_many_jobs_as_places() -> None:
    assert Slots(10).room == 10


def test_where_jobs_are_short_each_free_place_is_for_several() -> None:
    slots = _quick(Slots(10))
    assert slots.room == 39
    for _ in range(9):
        slots.take()
    assert slots.room == 3


def test_a_full_worker_has_no_room_however_short_jobs_are() -> None:
    assert _quick(_full(10)).room == 0


def test_a_few_long_jobs_are_enough_to_claim_no_more_than_there_are_places() -> None:
    slots = _quick(Slots(10))
    for _ in range(3):
        slots.took(10)
    assert slots.room == 10


async def test_who_lines_up_has_a_place_in_the_order_of_coming() -> None:
    slots = _full(1)
    first, second = _in_line(slots), _in_line(slots)
    slots.release(None)
    assert (first.done(), second.done()) == (True, False)
    assert slots.free == 0
    slots.release(first)
    assert second.done()
    slots.release(second)
    assert slots.free == 1


async def test_who_leaves_the_line_is_passed_over() -> None:
    slots = _full(1)
    first, second = _in_line(slots), _in_line(slots)
    slots.release(first)
    slots.release(None)
    assert second.done()
    assert not second.cancelled()
    slots.release(second)
    assert slots.free == 1


async def test_whoever_waits_for_a_place_has_it_as_soon_as_an_outcome_is_on_its_way() -> None:
    slots = _full(1)
    waiting = asyncio.create_task(slots.wait_free(timedelta(seconds=5)))
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.leave(size=_SMALL)
    assert await asyncio.wait_for(waiting, 1)


async def test_an_arrival_frees_a_place_where_too_many_were_on_their_way() -> None:
    slots = _full(1)
    weight = slots.leave(size=_MUCH)
    assert not await slots.wait_free(timedelta(milliseconds=1))
    slots.come_back(weight)
    slots.release(None)
    assert await slots.wait_free(timedelta(milliseconds=1))

"""Places for running jobs, and for outcomes on their way."""

import asyncio
from datetime import timedelta

from job_worker.slots import Slots


def _full(total: int) -> Slots:
    slots = Slots(total)
    for _ in range(total):
        slots.take()
    return slots


def test_an_outcome_on_its_way_takes_no_place() -> None:
    slots = _full(2)
    slots.leave()
    slots.leave()
    assert (slots.busy, slots.free) == (0, 2)


def test_more_outcomes_on_their_way_than_there_are_places_take_places_again() -> None:
    slots = _full(2)
    for _ in range(2):
        slots.leave()
    for _ in range(2):
        slots.take()
        slots.leave()
    assert (slots.busy, slots.free) == (2, 0)


def test_what_has_arrived_is_gone_when_its_attempt_ends() -> None:
    slots = _full(1)
    slots.leave()
    slots.come_back()
    assert slots.free == 0
    slots.release()
    assert slots.free == 1


async def test_whoever_waits_for_a_place_has_it_as_soon_as_an_outcome_is_on_its_way() -> None:
    slots = _full(1)
    waiting = asyncio.create_task(slots.wait_free(timedelta(seconds=5)))
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.leave()
    assert await asyncio.wait_for(waiting, 1)


async def test_an_arrival_frees_a_place_where_too_many_were_on_their_way() -> None:
    slots = _full(1)
    slots.leave()
    slots.take()
    slots.leave()
    assert not await slots.wait_free(timedelta(milliseconds=1))
    slots.come_back()
    slots.release()
    assert await slots.wait_free(timedelta(milliseconds=1))

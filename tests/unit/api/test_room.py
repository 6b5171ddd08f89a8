"""Who waits, and who is let in."""

import asyncio

import pytest

from api.room import Room


async def _asks(room: Room, places: int) -> "asyncio.Task[int]":
    task = asyncio.create_task(room.enter(places))
    await asyncio.sleep(0)
    return task


async def test_who_finds_room_enters_at_once() -> None:
    room = Room(10)
    assert await room.enter(4) == 4
    assert await room.enter(6) == 6


async def test_who_finds_none_enters_when_enough_has_been_given_back() -> None:
    room = Room(10)
    await room.enter(8)
    waits = await _asks(room, 5)
    room.leave(2)
    await asyncio.sleep(0)
    assert not waits.done()
    room.leave(6)
    assert await asyncio.wait_for(waits, 1) == 5


async def test_a_small_one_does_not_overtake_a_large_one() -> None:
    room = Room(10)
    await room.enter(8)
    large, small = await _asks(room, 9), await _asks(room, 1)
    assert not small.done()
    room.leave(8)
    assert await asyncio.wait_for(large, 1) == 9
    assert await asyncio.wait_for(small, 1) == 1


async def test_who_wants_more_than_there_is_gets_all_of_it() -> None:
    room = Room(10)
    await room.enter(1)
    greedy = await _asks(room, 1_000)
    assert not greedy.done()
    room.leave(1)
    assert await asyncio.wait_for(greedy, 1) == 10
    nobody_else = await _asks(room, 1)
    assert not nobody_else.done()
    room.leave(10)
    assert await asyncio.wait_for(nobody_else, 1) == 1


async def test_who_gives_up_stands_in_nobodys_way() -> None:
    room = Room(10)
    await room.enter(8)
    impatient, small = await _asks(room, 9), await _asks(room, 2)
    impatient.cancel()
    assert await asyncio.wait_for(small, 1) == 2


async def test_who_gives_up_while_being_let_in_takes_nothing_along() -> None:
    room = Room(10)
    await room.enter(10)
    unlucky = await _asks(room, 10)
    room.leave(10)
    unlucky.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unlucky
    assert await asyncio.wait_for(room.enter(10), 1) == 10

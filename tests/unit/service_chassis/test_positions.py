"""Where a reader without a group reads on when its assignment changes under it."""

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from service_chassis.positions import Positions


def place(number: int) -> TopicPartition:
    return TopicPartition("events", number)


class FakeConsumer:
    """Knows offsets and takes seeks; `assign` gives it a new assignment, as aiokafka does by itself."""

    def __init__(self, ends: dict[int, int], times: dict[int, int | None]) -> None:
        self.ends, self.times = ends, times
        self.asked_for_ms: set[int] = set()
        self.sought: dict[int, int] = {}
        self.assign(*ends)

    def assign(self, *numbers: int) -> None:
        assignment = SimpleNamespace(tps={place(n) for n in numbers})
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self.sought = {}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {p: self.ends[p.partition] for p in places}

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        self.asked_for_ms = set(times.values())
        found = {p: self.times[p.partition] for p in times}
        return {p: None if at is None else SimpleNamespace(offset=at) for p, at in found.items()}

    def seek(self, at: TopicPartition, offset: int) -> None:
        self.sought[at.partition] = offset


class Rig:
    def __init__(self, ends: dict[int, int], times: dict[int, int | None]) -> None:
        self.consumer: Any = FakeConsumer(ends, times)
        self.begun: list[tuple[Mapping[int, int], Mapping[int, int]]] = []
        self.positions = Positions(back=timedelta(minutes=5), began=self.began, now=lambda: 1_000.0)

    async def began(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> None:
        self.begun.append((starts, ends))

    def read(self, number: int, until: int) -> None:
        self.positions.passed({place(number): [SimpleNamespace(offset=until - 1)]})


async def test_it_begins_some_time_back_and_has_caught_up_at_the_ends_of_then() -> None:
    rig = Rig(ends={0: 50, 1: 8}, times={0: 40, 1: None})
    assert not rig.positions.hold(rig.consumer)
    await rig.positions.settle(rig.consumer)
    assert rig.consumer.asked_for_ms == {700_000}
    assert rig.consumer.sought == {0: 40, 1: 8}
    assert rig.begun == [({0: 40, 1: 8}, {0: 50, 1: 8})]
    assert rig.positions.hold(rig.consumer)
    rig.read(0, until=49)
    assert not rig.positions.caught_up
    rig.read(0, until=50)
    assert rig.positions.caught_up


async def test_new_partitions_are_read_from_their_beginning_and_the_others_where_they_were() -> None:
    rig = Rig(ends={0: 50}, times={0: None})
    await rig.positions.settle(rig.consumer)
    rig.read(0, until=53)
    rig.consumer.assign(0, 1)
    assert not rig.positions.hold(rig.consumer)
    await rig.positions.settle(rig.consumer)
    assert rig.consumer.sought == {0: 53, 1: 0}
    assert rig.begun[1] == ({0: 53, 1: 0}, {0: 53, 1: 0})
    assert rig.positions.caught_up


async def test_an_assignment_that_is_the_same_but_new_is_not_trusted() -> None:
    rig = Rig(ends={0: 50}, times={0: None})
    await rig.positions.settle(rig.consumer)
    rig.read(0, until=53)
    rig.consumer.assign(0)
    assert not rig.positions.hold(rig.consumer)
    await rig.positions.settle(rig.consumer)
    assert rig.consumer.sought == {0: 53}


async def test_a_reader_that_is_made_anew_goes_on_where_the_old_one_was() -> None:
    rig = Rig(ends={0: 50}, times={0: None})
    await rig.positions.settle(rig.consumer)
    rig.read(0, until=60)
    rig.positions.release()
    assert not rig.positions.caught_up
    await rig.positions.settle(rig.consumer)
    assert rig.consumer.sought == {0: 60}


async def test_while_the_topic_is_unknown_it_waits() -> None:
    rig = Rig(ends={}, times={})
    await rig.positions.settle(rig.consumer)
    assert (rig.begun, rig.positions.hold(rig.consumer)) == ([], False)


async def test_who_cannot_be_told_yet_is_told_again() -> None:
    rig = Rig(ends={0: 5}, times={0: None})

    async def fails(*_: object) -> None:
        raise KafkaConnectionError

    rig.positions._began = fails
    with pytest.raises(KafkaConnectionError):
        await rig.positions.settle(rig.consumer)
    assert not rig.positions.hold(rig.consumer)
    rig.positions._began = rig.began
    await rig.positions.settle(rig.consumer)
    assert rig.positions.caught_up


async def test_a_watchdog_sees_how_far_it_has_come() -> None:
    rig = Rig(ends={0: 50}, times={0: 40})

    class Ends:
        async def ends(self, _: str) -> dict[TopicPartition, int]:
            return {place(0): 50}

    behind = rig.positions.behind(Ends())
    assert await behind.committed("") == {}
    await rig.positions.settle(rig.consumer)
    assert (await behind.committed(""), await behind.ends("events")) == ({place(0): 40}, {place(0): 50})

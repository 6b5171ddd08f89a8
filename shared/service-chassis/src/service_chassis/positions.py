"""Where a reader without a group stands: it begins some time back, and is never moved without being told.

When partitions are added, or a topic's metadata is missing for a moment, aiokafka gives such
a reader a new assignment without positions and starts it at the ends: what came meanwhile
would be skipped in silence. So the positions are kept here and sought again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from service_chassis.offsets import Offsets

Began = Callable[[Mapping[int, int], Mapping[int, int]], Awaitable[None]]
"""Told where reading goes on, by partition, and where the topic ended then; called anew when partitions were added."""

_PATIENCE: Final = timedelta(seconds=10)


class EndsReader(Protocol):
    """Asks Kafka over a connection of its own."""

    async def ends(self, topic: str) -> Offsets:
        """Return where a topic ends."""


class Positions:
    """The next offsets of one reader that reads all partitions.

    Parameters
    ----------
    back
        How far back it begins.
    began
        Told before the first message comes, and again after each change of partitions.
    """

    def __init__(self, *, back: timedelta, began: Began, now: Callable[[], float] = time.time) -> None:
        self._back, self._began, self._now = back, began, now
        self._assignment: Any = None
        self._next: dict[TopicPartition, int] = {}
        self._ends: Mapping[TopicPartition, int] = {}

    @property
    def caught_up(self) -> bool:
        """Whether all has been read that was there when it began."""
        return self._assignment is not None and all(
            self._next[place] >= end for place, end in self._ends.items()
        )

    def hold(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether the consumer still reads where it was told to."""
        return self._assignment is not None and self._assignment is _assignment(consumer)

    async def settle(self, consumer: AIOKafkaConsumer) -> None:
        """Have a consumer that was given an assignment read on from here.

        Raises
        ------
        KafkaError, TimeoutError
            Try again.
        """
        assignment = _assignment(consumer)
        if assignment is None or not assignment.tps:
            await asyncio.sleep(0.05)  # until the metadata of the topic is there
            return
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            if self._next:
                # Whatever stands on a partition that is new to us is news.
                starts = {place: self._next.get(place, 0) for place in assignment.tps}
                ends = starts
            else:
                ends = await consumer.end_offsets(list(assignment.tps))
                starts = await self._some_time_back(consumer, ends)
            await self._began(_by_partition(starts), _by_partition(ends))
        for place, offset in starts.items():
            consumer.seek(place, offset)
        self._next, self._ends, self._assignment = dict(starts), ends, assignment

    def release(self) -> None:
        """The consumer is given up; the next one goes on where it was."""
        self._assignment = None

    def passed(self, got: Mapping[TopicPartition, list[ConsumerRecord]]) -> None:
        """Note what was read."""
        for place, records in got.items():
            self._next[place] = records[-1].offset + 1

    async def _some_time_back(self, consumer: AIOKafkaConsumer, ends: Offsets) -> dict[TopicPartition, int]:
        at = round((self._now() - self._back.total_seconds()) * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(ends, at))
        return {
            place: end if found[place] is None else min(found[place].offset, end)
            for place, end in ends.items()
        }

    def behind(self, ends: EndsReader) -> "LagOfPositions":
        """Let a watchdog compare these positions with the ends of the topic."""
        return LagOfPositions(ends, self._next_offsets)

    def _next_offsets(self) -> Offsets:
        return self._next


class LagOfPositions:
    """Answers a watchdog for a reader that commits nothing."""

    def __init__(self, ends: EndsReader, read_until: Callable[[], Offsets]) -> None:
        self._ends, self._read_until = ends, read_until

    async def ends(self, topic: str) -> Offsets:
        """Return where a topic ends."""
        return await self._ends.ends(topic)

    async def committed(self, group: str) -> Offsets:  # noqa: ARG002  it has none
        """Return how far the reader has come."""
        return dict(self._read_until())


def _assignment(consumer: AIOKafkaConsumer) -> Any:
    """The assignment itself: one that is new may name the same partitions and yet know no positions."""
    subscription = consumer._subscription.subscription  # noqa: SLF001  assignment() returns names alone
    return None if subscription is None else subscription.assignment


def _by_partition(offsets: Offsets) -> dict[int, int]:
    return {place.partition: offset for place, offset in offsets.items()}

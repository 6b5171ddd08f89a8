"""The recent past of `job-events`, so that a reader who was cut off gets exactly what it missed.

Bounded by age, bytes and number. What a cursor asks for is here as a whole or not at all: a reader is
never given a part of what it missed.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

from api.cursor import Cursor

MOST_REPLAYED: Final = 10_000
"""Messages of one replay; who missed more reads the list instead, which costs less. So no more are kept."""

_OWN: Final = 600
"""Bytes of an entry beyond its message."""

T = TypeVar("T")


class _Entry(NamedTuple, Generic[T]):
    at: float
    cost: int
    item: T


@dataclass(slots=True)
class _Partition(Generic[T]):
    """One partition: an unbroken run of messages that ends before `next`."""

    next: int
    live_from: int
    """What was written before the replica began is kept for replays, and is no news."""
    entries: deque[_Entry[T]] = field(default_factory=deque)

    @property
    def first(self) -> int:
        return self.next - len(self.entries)


class Ring(Generic[T]):
    """Messages by partition and offset, the oldest dropped first.

    Parameters
    ----------
    kept
        Messages older than this are dropped.
    room
        Bytes it may take: an item counts twice, as a message and as the frame made of it.
    """

    def __init__(self, *, kept: timedelta, room: int, clock: Callable[[], float] = time.time) -> None:
        self._kept, self._room, self._clock = kept.total_seconds(), room, clock
        self._cluster = ""
        self._partitions: dict[int, _Partition[T]] = {}
        self._order: deque[int] = deque()
        """Partitions of all entries as they came."""
        self._moved: asyncio.Future[None] | None = None
        self._text = ""
        self.bytes = 0

    def begin(self, cluster: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> bool:
        """Go on at these offsets; false if somebody may have missed something.

        Parameters
        ----------
        ends
            Where the partitions ended then: what comes before is no news.
        """
        known = {number: partition.next for number, partition in self._partitions.items()}
        self._move()
        if cluster == self._cluster and known.items() <= starts.items():
            for number in starts.keys() - known.keys():
                self._partitions[number] = _Partition(starts[number], ends[number])
            return known.keys() == starts.keys()
        self._cluster, self.bytes = cluster, 0
        self._partitions = {number: _Partition(start, ends[number]) for number, start in starts.items()}
        self._order.clear()
        return False

    def add(self, number: int, offset: int, item: T, *, at: float, size: int) -> bool:
        """Keep a message; false if messages before it were lost: then nobody's past is known.

        Parameters
        ----------
        at
            When it was written, seconds since 1970.
        size
            Its bytes.
        """
        partition = self._partitions[number]
        is_next = offset == partition.next
        if not is_next:
            self._restart(number, offset)
            partition = self._partitions[number]
        entry = _Entry(min(at, self._clock()), 2 * size + _OWN, item)
        partition.entries.append(entry)
        partition.next = offset + 1
        self._order.append(number)
        self.bytes += entry.cost
        self._drop_old()
        self._move()
        return is_next

    def is_news(self, number: int, offset: int) -> bool:
        """Whether the message was written after the replica began."""
        return offset >= self._partitions[number].live_from

    @property
    def is_filled(self) -> bool:
        """Whether it holds all it should."""
        return bool(self._partitions) and all(p.next >= p.live_from for p in self._partitions.values())

    @property
    def place(self) -> str:
        """The cursor of a reader who has everything; empty while there is none."""
        if not self._text and self.is_filled:
            self._text = str(Cursor(self._cluster, {n: p.next for n, p in self._partitions.items()}))
        return self._text

    def after(self, cursor: Cursor) -> list[T] | None:
        """Return all that the reader has missed, in the order of each partition; None if it is not all here."""
        if not self._fits(cursor) or not self.is_filled:
            return None
        missed = {n: p.next - cursor.offsets[n] for n, p in self._partitions.items()}
        if sum(missed.values()) > MOST_REPLAYED:
            return None
        if any(not 0 <= count <= len(self._partitions[n].entries) for n, count in missed.items()):
            return None
        items: list[T] = []
        for number, count in missed.items():
            newest = islice(reversed(self._partitions[number].entries), count)
            items += reversed([entry.item for entry in newest])
        return items

    async def reach(self, cursor: Cursor, within: timedelta) -> None:
        """Wait until this replica has read as far as the one the cursor comes from, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                while self._is_behind(cursor):
                    self._moved = self._moved or asyncio.get_running_loop().create_future()
                    await asyncio.shield(self._moved)

    def _move(self) -> None:
        self._text = ""
        if self._moved is not None:
            self._moved.set_result(None)
            self._moved = None

    def _is_behind(self, cursor: Cursor) -> bool:
        if not self.is_filled:
            return True
        return self._fits(cursor) and any(p.next < cursor.offsets[n] for n, p in self._partitions.items())

    def _fits(self, cursor: Cursor) -> bool:
        return cursor.cluster == self._cluster and cursor.offsets.keys() == self._partitions.keys()

    def _restart(self, number: int, offset: int) -> None:
        """Begin anew from what is there now, so that no cursor from before the gap fits."""
        for partition in self._partitions.values():
            partition.entries.clear()
        self._order.clear()
        self.bytes = 0
        self._partitions[number] = _Partition(offset, 0)

    def _drop_old(self) -> None:
        oldest = self._clock() - self._kept
        while self._order:
            entries = self._partitions[self._order[0]].entries
            fits = self.bytes <= self._room and len(self._order) <= MOST_REPLAYED
            if fits and entries[0].at >= oldest:
                return
            self._order.popleft()
            self.bytes -= entries.popleft().cost

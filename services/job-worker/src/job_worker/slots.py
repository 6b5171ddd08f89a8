"""Places for running jobs: a slot is not a partition, so a slow job blocks nobody."""

import asyncio
from collections import deque
from datetime import timedelta
from typing import Final

SOON: Final = timedelta(milliseconds=50)
"""A claimed job may expect to wait this long for its place, and is not announced as running before."""

ON_THE_WAY: Final = 500
"""Outcomes that need no place, of 4 KiB or less; larger ones count as several."""

_WEIGHT: Final = 4096
_MEMORY: Final = 256
"""Jobs after which the pace of earlier ones has mostly been forgotten."""

Turn = asyncio.Future[None]
"""What a job in the line waits for."""


class Slots:
    """A bounded number of places, taken by claims and left when the task has ended.

    Where jobs have lately been short a claim takes more of them than there are free places: as many as will have had
    one within `SOON`, by how long jobs took from their claim until they left their place. They line up.

    While an outcome is on its way to Kafka its job needs no place: the next one runs in it. What goes beyond
    `ON_THE_WAY`, or the number of places if there are more, takes places again, so that a worker whose
    outcomes nobody acknowledges soon claims nothing.
    """

    def __init__(self, total: int, *, memory: int = _MEMORY) -> None:
        self.total, self._memory = total, memory
        self._without_place = max(total, ON_THE_WAY)
        self._running = 0
        self._leaving = 0
        self._line: deque[Turn] = deque()
        self._pace = SOON.total_seconds()
        self._freed = asyncio.Event()

    @property
    def busy(self) -> int:
        """Places that are taken."""
        return self._running + max(0, self._leaving - self._without_place)

    @property
    def free(self) -> int:
        """Places nobody has."""
        return self.total - self.busy

    @property
    def room(self) -> int:
        """Jobs that may be claimed now."""
        return int(max(0, self.free) * max(1.0, SOON.total_seconds() / self._pace))

    @property
    def pace(self) -> float:
        """Seconds that jobs have lately taken."""
        return self._pace

    def take(self) -> Turn | None:
        """Occupy a place, or return what tells when there is one."""
        if self.free > 0:
            self._running += 1
            return None
        turn: Turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        return turn

    def leave(self, *, size: int) -> int:
        """Give the place back, since the outcome, of so many bytes, is on its way; returns what it weighs there."""
        weight = 1 + size // _WEIGHT
        self._running -= 1
        self._leaving += weight
        self._admit()
        return weight

    def come_back(self, weight: int) -> None:
        """Occupy a place once more: the outcome has arrived, or will not, and the job's attempt has something to do."""
        self._leaving -= weight
        self._running += 1

    def took(self, seconds: float) -> None:
        """A job was done with its task so long after it was claimed."""
        self._pace += (seconds - self._pace) / self._memory

    def release(self, turn: Turn | None) -> None:
        """Give the place back, or the one in the line if that is how far the job has come."""
        if turn is None or (turn.done() and not turn.cancelled()):
            self._running -= 1
            self._admit()
        else:
            turn.cancel()

    async def wait_free(self, within: timedelta) -> bool:
        """Wait for a free place; false if none came."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while self.free <= 0:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return False
        return True

    def _admit(self) -> None:
        free = self.free
        while free > 0 and self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                self._running += 1
                free -= 1
        if free > 0:
            self._freed.set()

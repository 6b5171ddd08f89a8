"""Where jobs run: coroutines in the loop's slots, plain functions in threads, each kind with places of its own.

So many jobs of a kind run at a time as it has places; the jobs of one kind never wait behind those of another.
A worker takes no more messages when the loop's slots are full. The other kinds have few places for long jobs, and
their jobs come between all others: what has no place yet waits unclaimed in the backlog of its lane, with
a `wake_at` after which the dispatcher publishes it anew, to whoever is fit then.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from job_contracts.messages import JobRequested
from job_worker.slots import Slots
from job_worker.tasks import Task

KEPT_FOR: Final = timedelta(seconds=10)
"""`wake_at` of a job in a backlog; a worker that dies delays it by no more."""

_SAFELY: Final = 8.0
"""Seconds for which it may be claimed from the backlog: before the dispatcher takes it up again."""

_LATEST: Final = 6
"""A job is looked at again after so many times `KEPT_FOR` at most, however long the backlog."""

_MOST: Final = 500
"""Jobs of a backlog: they are in memory."""

_MEMORY: Final = 16
"""Jobs after which the pace of a lane's earlier ones has mostly been forgotten: there are few, and they are long."""


@dataclass(slots=True)
class Backlog:
    """Messages of jobs that will soon have a place, by when they may be claimed at the latest."""

    slots: Slots
    clock: Callable[[], float]
    _kept: deque[tuple[float, JobRequested]] = field(default_factory=deque)
    _booked: float = 0.0

    def __len__(self) -> int:
        return len(self._kept)

    def book(self, requests: Iterable[JobRequested]) -> dict[timedelta, list[JobRequested]]:
        """Return when to look at each again; those that begin soon are kept.

        The places are booked as far ahead as the pace of the lane says: of a long backlog each job
        is looked at about when it may run, and not all of them every few seconds.
        """
        now, later = self.clock(), dict[timedelta, list[JobRequested]]()
        self._booked = max(self._booked, now)
        for request in requests:
            self._booked += self.slots.pace / self.slots.total
            steps = min(_LATEST, max(1, math.ceil((self._booked - now) / _SAFELY)))
            if len(self._kept) >= _MOST:
                steps = max(steps, 2)
            if steps == 1:
                self._kept.append((now + _SAFELY, request))
            later.setdefault(steps * KEPT_FOR, []).append(request)
        return later

    def take(self, most: int) -> list[JobRequested]:
        """Return the next ones, which are kept no longer."""
        now, taken = self.clock(), list[JobRequested]()
        while self._kept and len(taken) < most:
            until, request = self._kept.popleft()
            if now < until:
                taken.append(request)
        if not self._kept:
            self._booked = now
        return taken


class Lane:
    """One kind of place."""

    def __init__(self, slots: Slots, *, clock: Callable[[], float]) -> None:
        self.slots = slots
        self.backlog = Backlog(slots, clock)
        self.claiming = asyncio.Lock()
        """Held from counting places to taking them."""


class Lanes:
    """All kinds of places of a worker.

    Parameters
    ----------
    slots
        Those of the loop, for coroutines.
    threads
        How many plain functions run at a time, unless their task says otherwise.
    processes
        How many jobs run in processes of their own at a time.
    """

    def __init__(self, slots: Slots, *, threads: int, clock: Callable[[], float], processes: int = 1) -> None:
        self._clock = clock
        self.loop = Lane(slots, clock=clock)
        self.threads = self._lane(threads)
        self.processes = self._lane(processes)
        self._own: dict[str, Lane] = {}

    def of(self, task: Task) -> Lane:
        """Return where the jobs of this task run."""
        if task.isolation == "process":
            return self.processes
        if task.is_coroutine:
            return self.loop
        if task.threads is None:
            return self.threads
        lane = self._own.get(task.name)
        if lane is None or lane.slots.total != task.threads:
            lane = self._own[task.name] = self._lane(task.threads)
        return lane

    @property
    def others(self) -> Collection[Lane]:
        """All but the loop's."""
        return [self.threads, self.processes, *self._own.values()]

    def _lane(self, places: int) -> Lane:
        return Lane(Slots(places, memory=_MEMORY), clock=self._clock)

"""Whose turn it is: jobs that wait for something else than time are found by their reason.

A paused task's jobs go on when it is not paused any more; jobs of low priority go on
while no job of normal priority queues. Resuming a task only unsets a flag, so it cannot
race a worker that is just parking a job of that task.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from job_contracts.lifecycle import WaitReason
from job_contracts.views import Record
from job_worker.pauses import BRAKE
from job_worker.releasing import Releasing

QUEUED: Final = timedelta(seconds=1)
"""A normal job that is pending for longer than this queues, and those of low priority must wait."""

LOW_IN_QUEUE: Final = 500
"""Jobs of low priority that may stand in the queue: a normal one that comes now waits for no more."""

TRICKLE: Final = 1
"""Jobs of low priority released in each tick however long the queue is, so that they never starve."""


class TurnStore(Protocol):
    """What turns ask of storage."""

    async def parked_tasks(self, reason: str) -> list[str]:
        """Return the tasks that have jobs waiting for this reason."""

    async def parked(self, reason: str, limit: int, *, tasks: Collection[str] | None = None) -> list[Record]:
        """Return jobs that wait for this reason, the oldest first."""

    async def normal_queues(self, longer_than: timedelta) -> bool:
        """Whether a job of normal priority has been pending for longer than that."""

    async def paused_tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the pauses by task."""

    async def low_in_queue(self, limit: int) -> int:
        """Return how many jobs of low priority are pending; counts no further than the limit."""

    async def take_probe(self, task: str) -> bool:
        """Take the next probe of a task that the brake has paused, if it is time for one."""


class LineOfMessages(Protocol):
    """What turns ask of Kafka."""

    async def length(self) -> int | None:
        """Return how many messages on `jobs` nobody has taken, or None while Kafka does not tell."""


class Turns:
    """Lets the parked go on."""

    def __init__(self, *, store: TurnStore, releasing: Releasing, queue: LineOfMessages, batch: int) -> None:
        self._store, self._releasing, self._queue, self._batch = store, releasing, queue, batch

    async def after_pauses(self) -> bool:
        """Release jobs whose task is not paused any more; those that are get a probe now and then."""
        tasks = await self._store.parked_tasks(str(WaitReason.PAUSED))
        if not tasks:
            return False
        paused = await self._store.paused_tasks()
        full = await self._resumed([task for task in tasks if task not in paused])
        await self._probe([t for t in tasks if t in paused and paused[t]["by"] == BRAKE])
        return full

    async def low_priority(self) -> bool:
        """Release jobs of low priority as far as no normal one has to wait for them."""
        first = await self._store.parked(str(WaitReason.LOW_PRIORITY), TRICKLE)
        if not first:
            return False
        room = await self._room_for_low()
        jobs = first if room <= TRICKLE else await self._store.parked(str(WaitReason.LOW_PRIORITY), room)
        await self._releasing.release(jobs, what="low_priority")
        return False

    async def _room_for_low(self) -> int:
        low = await self._store.low_in_queue(LOW_IN_QUEUE)
        normal = await self._store.normal_queues(QUEUED)
        # A record that is pending does not queue if its message is not there: it was lost, and comes again later.
        messages = await self._queue.length() if normal or low else 0
        if messages is not None:
            normal = normal and messages > low
            low = min(low, messages)
        return 0 if normal else min(LOW_IN_QUEUE, self._batch) - low

    async def _resumed(self, tasks: Collection[str]) -> bool:
        if not tasks:
            return False
        jobs = await self._store.parked(str(WaitReason.PAUSED), self._batch, tasks=tasks)
        await self._releasing.release(jobs, what="resumed")
        return len(jobs) >= self._batch

    async def _probe(self, tasks: Collection[str]) -> None:
        for task in tasks:
            if await self._store.take_probe(task):
                jobs = await self._store.parked(str(WaitReason.PAUSED), 1, tasks=[task])
                await self._releasing.release(jobs, what="probes", probe=True)

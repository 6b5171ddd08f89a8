"""Due jobs by what is to be done with them, read apart, so that many of one kind never delay another."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from job_contracts.keeping import set_aside
from job_contracts.lifecycle import JobState, WaitReason
from job_contracts.personal import LOW
from job_contracts.record import GuardedMove
from job_contracts.views import Record
from job_worker.expiring import Expiring
from job_worker.releasing import Releasing, fit, versions_of
from service_chassis.isolation import apply_apart, is_everyones
from service_chassis.metrics import Metrics

log = logging.getLogger(__name__)

Operate = Callable[[Sequence[Record]], Awaitable[object]]


_NOT_ITS_TURN_YET: Final = {WaitReason.SCHEDULED, WaitReason.NO_WORKER}
"""What a job of low priority may have waited for before it is its turn to wait for the others."""


class DueStore(Protocol):
    """What is asked of storage about due jobs."""

    async def due(self, state: JobState, limit: int) -> list[Record]:
        """Return jobs of this state whose `wake_at` has come and that have not expired, the longest overdue first."""

    async def due_to_expire(self, limit: int) -> list[Record]:
        """Return jobs that nobody has started and that have expired."""

    async def paused_tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the pauses by task."""

    async def live_workers(self) -> list[Record]:
        """Return the workers whose lease holds."""

    async def parked_tasks(self, reason: str) -> list[str]:
        """Return the tasks that have jobs waiting for this reason."""

    async def served(self, versions: Mapping[str, Collection[str] | None], limit: int) -> list[Record]:
        """Return jobs without a worker that one of these versions of their task has not refused, the oldest first."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates."""


class Due:
    """Steps of the dispatcher: one for each kind of due job that is not running."""

    def __init__(
        self,
        *,
        store: DueStore,
        releasing: Releasing,
        expiring: Expiring,
        batch: int,
        metrics: Metrics,
    ) -> None:
        self._store, self._releasing, self._expiring = store, releasing, expiring
        self._batch = batch
        self._unserved: set[str] = set()
        self._without_worker = metrics.gauge(
            "tasks_without_worker", "Tasks whose jobs wait because no live worker runs them"
        )

    async def expired(self) -> bool:
        """Give up what nobody started in time."""
        jobs = await self._store.due_to_expire(self._batch)
        await self._do({self._expiring.expire: jobs})
        return len(jobs) >= self._batch

    async def pending(self) -> bool:
        """Publish again what is still pending."""
        jobs = await self._store.due(JobState.PENDING, self._batch)
        await self._do({self._releasing.republish: jobs})
        return len(jobs) >= self._batch

    async def waiting(self) -> bool:
        """Let go on what has waited for its time, or wait for something else than time."""
        jobs = await self._store.due(JobState.WAITING, self._batch)
        if not jobs:
            return False
        await self._go_on(jobs, await self._store.live_workers())
        return len(jobs) >= self._batch

    async def served(self) -> bool:
        """Let jobs go on for which there was no worker and now is one."""
        tasks = await self._store.parked_tasks(str(WaitReason.NO_WORKER))
        workers = await self._store.live_workers() if tasks else []
        served = [task for task in tasks if fit(workers, {"task": task})]
        self._tell_of(set(tasks) - set(served))
        if not served:
            return False
        jobs = await self._store.served({task: versions_of(workers, task) for task in served}, self._batch)
        await self._go_on(jobs, workers)
        return len(jobs) >= self._batch

    def _tell_of(self, unserved: set[str]) -> None:
        for task in unserved - self._unserved:
            log.warning("task.no_worker", extra={"task": task})
        for task in self._unserved - unserved:
            log.info("task.served", extra={"task": task})
        self._unserved = unserved
        self._without_worker.set(len(unserved))

    async def _go_on(self, jobs: Sequence[Record], workers: Sequence[Record]) -> None:
        paused = await self._store.paused_tasks()
        kinds: dict[Operate, list[Record]] = defaultdict(list)
        for job in jobs:
            kinds[self._what_next(job, paused, workers)].append(job)
        await self._do(kinds)

    def _what_next(self, job: Record, paused: Collection[str], workers: Sequence[Record]) -> Operate:
        if job.get("task") in paused:
            return self._releasing.park
        if workers and not fit(workers, job):
            return self._releasing.await_worker
        yields = job.get("priority") == LOW and job.get("reason") in _NOT_ITS_TURN_YET
        return self._releasing.defer if yields else self._releasing.release

    async def _do(self, kinds: Mapping[Operate, Sequence[Record]]) -> None:
        """Do each of these with its jobs; one that meets an outage does not keep the others from being done."""
        outage: Exception | None = None
        refused: list[Record] = []
        for operate, jobs in kinds.items():
            try:
                await apply_apart(operate, jobs, refused=lambda job, error: refused.append(_told(job, error)))
            except Exception as error:
                if not is_everyones(error):
                    raise
                outage = error
        await self._store.apply([set_aside(job["_id"], job["version"]) for job in refused])
        if outage is not None:
            raise outage


def _told(job: Record, error: Exception) -> Record:
    log.error("dispatcher.job_set_aside", extra={"job_id": job["_id"], "reason": repr(error)[:500]})
    return job

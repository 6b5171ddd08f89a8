"""Looks after the jobs in their slots: says that they run, how far they are, and sees cancels."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import Protocol

from job_contracts.keeping import append_logs, progress
from job_contracts.lifecycle import JobState
from job_contracts.record import GuardedMove
from job_contracts.views import Record
from job_worker.attempt import Running
from job_worker.execution import Execution
from job_worker.lease import Lease
from service_chassis.isolation import apply_apart, is_everyones

log = logging.getLogger(__name__)

_PROGRESS_EVERY = timedelta(milliseconds=500)
_CANCELS_EVERY = timedelta(seconds=1)
_STEP = timedelta(seconds=30)
"""What hangs for longer is given up and asked again."""


class WatchStore(Protocol):
    """What watching asks of storage."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is stored."""

    async def cancel_requests(self, worker: str) -> dict[str, int]:
        """Return this worker's jobs that somebody wants cancelled."""


class WatchPublisher(Protocol):
    """What watching tells."""

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce stored states."""

    async def progressed(self, records: Sequence[Record]) -> None:
        """Announce stored progress."""


class Watching:
    """Looks over the running jobs; those that end sooner than `announce_after` cost it nothing.

    What it says, what it stores and its look for cancels are steps of their own: none waits for another, and one
    that fails or hangs stops none. Nor does a job whose progress cannot be stored stop that of the others.
    """

    def __init__(
        self,
        *,
        execution: Execution,
        lease: Lease,
        store: WatchStore,
        publisher: WatchPublisher,
        clock: Callable[[], float],
        announce_after: timedelta,
    ) -> None:
        self._execution, self._lease = execution, lease
        self._store, self._publisher = store, publisher
        self._clock, self._announce_after = clock, announce_after
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Watching":
        steps = (
            ("announce", self._announce, self._announce_after),
            ("report", self._report, self._announce_after),
            ("cancels", self._see_cancels, _CANCELS_EVERY),
        )
        self._tasks = [
            asyncio.create_task(self._repeat(name, step, every), name=f"watching-{name}")
            for name, step, every in steps
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()

    async def _repeat(
        self, name: str, step: Callable[[Sequence[Running]], Awaitable[None]], every: timedelta
    ) -> None:
        while True:
            await asyncio.sleep(every.total_seconds())
            lasting = self._lasting()
            if not lasting:
                continue
            try:
                async with asyncio.timeout(_STEP.total_seconds()):
                    await step(lasting)
            except Exception as error:
                if not is_everyones(error):
                    log.exception("watching.failed", extra={"step": name})
                await asyncio.sleep(1)

    def _lasting(self) -> list[Running]:
        since = self._clock() - self._announce_after.total_seconds()
        # One whose outcome is on its way lasts for as long as Kafka takes: what it has to say comes with that.
        return [j for j in self._execution.running.values() if j.sending is None and j.started <= since]

    async def _announce(self, lasting: Sequence[Running]) -> None:
        jobs = [job for job in lasting if not job.announced]
        if not jobs:
            return
        stored = await self._store.records([j.request.job_id for j in jobs])
        for job in jobs:
            job.announced = True
        # Built from what is stored: a reader that saw an invented state would drop the true one.
        records = [r for j in jobs if (r := stored.get(j.request.job_id)) and _is_run_of(r, j)]
        await apply_apart(self._publisher.changed, records, refused=_not_told)

    async def _report(self, lasting: Sequence[Running]) -> None:
        now, moves, reported = self._clock(), [], []
        for job in lasting:
            if now < job.next_report:
                continue
            if (newest := job.context.take_progress()) is not None:
                job.next_report = now + _PROGRESS_EVERY.total_seconds()
                percent, message = newest
                moves.append(progress(job.request.job_id, job.version, percent=percent, message=message))
                reported.append(job)
            if lines := job.context.take_lines():
                job.next_report = now + _PROGRESS_EVERY.total_seconds()
                moves.append(append_logs(job.request.job_id, job.version, lines))
        await apply_apart(self._store.apply, moves, refused=_not_stored)
        if not reported:
            return
        stored = await self._store.records([j.request.job_id for j in reported])
        records = [
            r
            for j in reported
            if (r := stored.get(j.request.job_id)) and _is_run_of(r, j) and "progress" in r
        ]
        await apply_apart(self._publisher.progressed, records, refused=_not_told)

    async def _see_cancels(self, _: Sequence[Running]) -> None:
        for job_id, version in (await self._store.cancel_requests(self._lease.worker_id)).items():
            self._execution.cancel(job_id, version)


def _not_told(record: Record, error: Exception) -> None:
    log.error("watching.not_told", extra={"job_id": record["_id"], "reason": repr(error)[:200]})


def _not_stored(update: GuardedMove, error: Exception) -> None:
    log.error("watching.not_stored", extra={"job_id": update.filter["_id"], "reason": repr(error)[:200]})


def _is_run_of(record: Record, job: Running) -> bool:
    return bool(record["version"] == job.version and record["state"] == JobState.RUNNING)

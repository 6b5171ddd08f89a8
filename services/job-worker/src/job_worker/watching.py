"""Looks after the jobs in their slots: says that they run, how far they are, and sees cancels."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Protocol

from job_contracts.keeping import append_logs, progress
from job_contracts.lifecycle import JobState
from job_contracts.record import GuardedMove
from job_contracts.views import Record
from job_worker.execution import Execution, Running
from job_worker.lease import Lease
from service_chassis.mongo import is_outage
from service_chassis.publisher import PublishError

log = logging.getLogger(__name__)


_PROGRESS_EVERY = timedelta(milliseconds=500)
_CANCELS_EVERY = timedelta(seconds=1)


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
    """One loop over the running jobs; jobs that end sooner than `announce_after` cost it nothing."""

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
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watching":
        self._task = asyncio.create_task(self._watch(), name="watching")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    async def _watch(self) -> None:
        step = self._announce_after.total_seconds()
        next_cancels = 0.0
        while True:
            await asyncio.sleep(step)
            now = self._clock()
            # One whose outcome is on its way lasts for as long as Kafka takes: what it has to say comes with that.
            lasting = [
                j for j in self._execution.running.values() if j.sending is None and now - j.started >= step
            ]
            if not lasting:
                continue
            try:
                await self._announce([j for j in lasting if not j.announced])
                await self._report(lasting, now)
                if now >= next_cancels:
                    next_cancels = now + _CANCELS_EVERY.total_seconds()
                    await self._see_cancels()
            except Exception as error:
                if not (is_outage(error) or isinstance(error, PublishError)):
                    log.exception("watching.failed")
                await asyncio.sleep(1)

    async def _announce(self, jobs: Sequence[Running]) -> None:
        if not jobs:
            return
        stored = await self._store.records([j.request.job_id for j in jobs])
        for job in jobs:
            job.announced = True
        # Built from what is stored: a reader that saw an invented state would drop the true one.
        await self._publisher.changed(
            [r for j in jobs if (r := stored.get(j.request.job_id)) and _is_run_of(r, j)]
        )

    async def _report(self, jobs: Sequence[Running], now: float) -> None:
        moves, reported = [], []
        for job in jobs:
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
        if not moves:
            return
        await self._store.apply(moves)
        if not reported:
            return
        stored = await self._store.records([j.request.job_id for j in reported])
        await self._publisher.progressed(
            [
                r
                for j in reported
                if (r := stored.get(j.request.job_id)) and _is_run_of(r, j) and "progress" in r
            ]
        )

    async def _see_cancels(self) -> None:
        for job_id, version in (await self._store.cancel_requests(self._lease.worker_id)).items():
            job = self._execution.running.get(job_id)
            if job is not None and job.version == version:
                self._execution.cancel(job_id)


def _is_run_of(record: Record, job: Running) -> bool:
    return bool(record["version"] == job.version and record["state"] == JobState.RUNNING)

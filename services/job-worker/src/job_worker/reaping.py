"""What the dead left running: judged late enough to be sure, and by one dispatcher.

Three rules keep finished or living work from being judged (docs/protocol.md, 4, 9, 10):
leases count only after this dispatcher has itself been in unbroken contact with MongoDB
for one whole lease; the outcome workers must first have applied everything that was on
their topics once the lease was seen ended; and each judgement is a guarded move.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from job_contracts.keeping import hold_outcome, set_aside, take_over
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo, JobFailed
from job_contracts.record import GuardedMove, retry, stop
from job_contracts.views import Record
from job_worker.barriers import Barriers, OffsetsReader
from job_worker.moving import Moving
from service_chassis.backoff import Backoff
from service_chassis.isolation import apply_apart, is_everyones

log = logging.getLogger(__name__)


STALLED = ErrorInfo(type="WorkerLost", message="the worker that ran this attempt stopped answering")

SOON: Final = timedelta(seconds=2)
LATER: Final = timedelta(seconds=30)
"""When a job that cannot be judged yet is looked at again: after as long as it has waited, within these bounds."""


class ReapStore(Protocol):
    """What reaping asks of storage."""

    async def lapsed_workers(self) -> set[str]:
        """Return workers with running jobs and no lease."""

    async def running_of(self, worker: str) -> list[Record]:
        """Return the jobs under this worker's lease."""

    async def overdue(self, limit: int) -> list[Record]:
        """Return running jobs whose `wake_at` has come, the longest overdue first."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates; return how many matched."""


class LetterPublisher(Protocol):
    """Where the letters of stalled jobs go."""

    async def failed(self, letters: Sequence[JobFailed]) -> None:
        """Publish dead letters."""


class Reaping:
    """Judges running jobs whose worker is gone, or whose time is up."""

    def __init__(
        self,
        *,
        store: ReapStore,
        publisher: LetterPublisher,
        moving: Moving,
        offsets: OffsetsReader,
        lease: timedelta,
        retention: timedelta,
        batch: int,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._publisher, self._moving = store, publisher, moving
        self._lease, self._retention, self._batch = lease, retention, batch
        self._clock = clock
        self._since: float | None = None
        self._last = 0.0
        self._workers = Barriers(offsets=offsets, clock=clock)
        self._jobs = Barriers(offsets=offsets, clock=clock)

    def in_contact(self, now: float) -> None:
        """MongoDB has just answered; a long gap (a paused process) starts the count anew."""
        if self._since is None or now - self._last > self._lease.total_seconds() / 2:
            self._since = now
            self.begin_anew()
        self._last = now

    def lost_contact(self) -> None:
        """MongoDB was away: whose lease ended meanwhile says nothing."""
        self._since = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another has led meanwhile: what was seen to end before is looked at again."""
        self._workers.clear()
        self._jobs.clear()

    async def reap_dead_workers(self) -> bool:
        """Judge the jobs of workers without a lease."""
        if not self._may_judge():
            return False
        dead = await self._store.lapsed_workers()
        # The answer may have come from a server that stood still as long as a lease is.
        if not self._may_judge():
            return False
        for worker in await self._workers.passed(dead):
            jobs = await self._store.running_of(worker)
            if jobs:
                log.warning("worker.lost", extra={"worker": worker, "jobs": len(jobs)})
            await self._judge(jobs)
        return False

    async def reap_overdue(self) -> bool:
        """Judge running jobs that nobody recorded the end of, long after their timeout."""
        jobs = {_name(job): job for job in await self._store.overdue(self._batch)}
        if not jobs:
            return False
        passed = await self._jobs.passed(jobs)
        await self._look_later({name: job for name, job in jobs.items() if name not in passed})
        await self._judge([jobs[name] for name in passed])
        return len(jobs) >= self._batch

    def _may_judge(self) -> bool:
        lease = self._lease.total_seconds()
        if self._since is None or self._clock() - self._last > lease / 2:
            return False
        return self._last - self._since >= lease

    async def _look_later(self, jobs: Mapping[str, Record]) -> None:
        """Make room in the next look for others: what cannot be judged yet is due again later."""
        groups: dict[tuple[int, timedelta], list[str]] = defaultdict(list)
        for name, job in jobs.items():
            wait = min(max(self._jobs.age(name), SOON), LATER)
            groups[job["version"], wait].append(job["_id"])
        await self._store.apply(
            [hold_outcome(ids, version, wait=wait) for (version, wait), ids in groups.items()]
        )

    async def _judge(self, jobs: Sequence[Record]) -> None:
        """Judge each for itself: what fails with one job is no other's trouble."""
        ends = await asyncio.gather(*(self._judge_one(job) for job in jobs), return_exceptions=True)
        letters = [e for e in ends if isinstance(e, JobFailed)]
        # A letter that nobody can send is looked at again when `wake_at` of its job comes.
        await apply_apart(
            self._publisher.failed,
            letters,
            refused=lambda letter, error: log.error(
                "reaping.letter_refused", extra={"job_id": letter.job_id, "reason": repr(error)[:500]}
            ),
        )
        await self._set_aside([(j, e) for j, e in zip(jobs, ends, strict=True) if isinstance(e, Exception)])

    async def _set_aside(self, failed: Sequence[tuple[Record, Exception]]) -> None:
        bad = [(job, error) for job, error in failed if not is_everyones(error)]
        for job, error in bad:
            log.error("reaping.job_set_aside", extra={"job_id": job["_id"], "reason": repr(error)[:500]})
        await self._store.apply([set_aside(job["_id"], job["version"]) for job, _ in bad])
        if len(bad) < len(failed):
            raise next(error for _, error in failed if is_everyones(error))

    async def _judge_one(self, job: Record) -> JobFailed | None:
        """Make the move, or take the job over and return the letter that is to go out."""
        job_id, version, failures = job["_id"], job["version"], job["failures"]
        if job.get("cancel_requested"):
            await self._moving.make(job_id, version, stop(job_id, version, retention=self._retention))
        elif failures + 1 < job["max_attempts"]:
            # The first stall is nobody's fault: no back-off.
            wait = Backoff().wait(failures) if failures else timedelta(0)
            move = retry(job_id, version, wait=wait, error=STALLED, outcome="stalled")
            await self._moving.make(job_id, version, move)
        elif await self._store.apply(
            [take_over(job_id, version, worker=job.get("worker"), wake_at=job["wake_at"])]
        ):
            return _letter(job)
        return None


def _name(job: Record) -> str:
    return f"{job['_id']}:{job['version']}"


def _letter(job: Record) -> JobFailed:
    return JobFailed(
        job_id=job["_id"],
        owner=job["owner"],
        version=job["version"],
        attempt=job["failures"] + 1,
        task=job["task"],
        kind=ErrorKind.STALLED,
        error=STALLED,
        traceparent=job.get("traceparent"),
    )

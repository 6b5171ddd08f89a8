"""What the dead left running: judged late enough to be sure, and by one dispatcher.

Three rules keep finished or living work from being judged (docs/protocol.md, 4, 9, 10):
leases count only after this dispatcher has itself been in unbroken contact with MongoDB
for one whole lease; the outcome workers must first have applied everything that was on
their topics once the lease was seen ended; and each judgement is a guarded move.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from job_contracts.keeping import take_over
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo, JobFailed
from job_contracts.record import GuardedMove, retry, stop
from job_contracts.topics import OUTCOME_GROUPS
from job_contracts.views import Record
from job_worker.moving import Moving
from service_chassis.backoff import Backoff
from service_chassis.offsets import Offsets, OffsetsError

log = logging.getLogger(__name__)


STALLED = ErrorInfo(type="WorkerLost", message="the worker that ran this attempt stopped answering")

_PATIENCE = timedelta(seconds=60)
"""Waiting this long for the outcome workers is worth an alarm; it has no end, as judging early loses work."""


class ReapStore(Protocol):
    """What reaping asks of storage."""

    async def lapsed_workers(self) -> set[str]:
        """Return workers with running jobs and no lease."""

    async def running_of(self, worker: str) -> list[Record]:
        """Return the jobs under this worker's lease."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates; return how many matched."""


class OffsetsReader(Protocol):
    """What reaping asks of Kafka."""

    async def ends(self, topic: str) -> Offsets:
        """Return where a topic ends."""

    async def committed(self, group: str) -> Offsets:
        """Return how far a group has come."""


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
    ) -> None:
        self._store, self._publisher, self._moving, self._offsets = store, publisher, moving, offsets
        self._lease, self._retention = lease, retention
        self._since: float | None = None
        self._last = 0.0
        self._barriers: dict[str, _Barrier] = {}

    def in_contact(self, now: float) -> None:
        """MongoDB has just answered; a long gap (a paused process) starts the count anew."""
        if self._since is None or now - self._last > self._lease.total_seconds() / 2:
            self._since = now
            self._barriers.clear()
        self._last = now

    def lost_contact(self) -> None:
        """MongoDB was away: whose lease ended meanwhile says nothing."""
        self._since = None
        self._barriers.clear()

    def begin_anew(self) -> None:
        """Another has led meanwhile: what was seen to end before is looked at again."""
        self._barriers.clear()

    async def reap_dead_workers(self) -> None:
        """Judge the jobs of workers without a lease."""
        if self._since is None or self._last - self._since < self._lease.total_seconds():
            return
        dead = {f"worker:{worker}": worker for worker in await self._store.lapsed_workers()}
        self._keep_barriers("worker:", dead)
        for name, worker in dead.items():
            if await self._outcomes_applied(name):
                jobs = await self._store.running_of(worker)
                if jobs:
                    log.warning("worker.lost", extra={"worker": worker, "jobs": len(jobs)})
                for job in jobs:
                    await self._judge(job)

    async def reap_overdue(self, jobs: Sequence[Record]) -> None:
        """Judge running jobs that nobody recorded the end of, long after their timeout."""
        overdue = {f"job:{j['_id']}:{j['version']}": j for j in jobs}
        self._keep_barriers("job:", overdue)
        for name, job in overdue.items():
            if await self._outcomes_applied(name):
                await self._judge(job)

    def _keep_barriers(self, kind: str, names: Collection[str]) -> None:
        """Forget barriers of this kind that nothing waits for any more."""
        self._barriers = {
            name: barrier
            for name, barrier in self._barriers.items()
            if not name.startswith(kind) or name in names
        }

    async def _outcomes_applied(self, name: str) -> bool:
        """Whether all outcomes that were acknowledged before this was first asked have been applied."""
        try:
            barrier = self._barriers.get(name)
            if barrier is None:
                ends = {str(topic): await self._offsets.ends(topic) for topic in OUTCOME_GROUPS}
                barrier = self._barriers[name] = _Barrier(ends, self._last)
            if not barrier.passed:
                committed = {str(t): await self._offsets.committed(g) for t, g in OUTCOME_GROUPS.items()}
                barrier.look(committed)
        except OffsetsError as error:
            log.warning("reaping.kafka_away", extra={"reason": str(error)})
            return False
        if not barrier.passed and self._last - barrier.since > _PATIENCE.total_seconds():
            log.error(
                "reaping.outcomes_lag", extra={"waits_for": name, "seconds": self._last - barrier.since}
            )
        return barrier.passed

    async def _judge(self, job: Record) -> None:
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
            await self._publisher.failed([_letter(job)])


class _Barrier:
    """End offsets that the outcome workers must have committed before something is judged."""

    def __init__(self, ends: Mapping[str, Offsets], since: float) -> None:
        self._ends = ends
        self.since = since
        self.passed = not any(ends.values())

    def look(self, committed: Mapping[str, Offsets]) -> None:
        """Compare with how far the groups have come."""
        self.passed = all(
            committed[topic].get(tp, -1) >= end
            for topic, ends in self._ends.items()
            for tp, end in ends.items()
        )


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

"""Jobs that nobody started in time: given up like every other failure, through a dead letter."""

from collections.abc import Collection, Sequence
from typing import Protocol

from job_contracts.keeping import expire
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo, JobFailed
from job_contracts.record import GuardedMove
from job_contracts.views import Record

EXPIRED = ErrorInfo(type="Expired", message="the job was not started before it expired")


class ExpiryStore(Protocol):
    """What expiring asks of storage."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is stored."""


class LetterPublisher(Protocol):
    """Where the letters go."""

    async def failed(self, letters: Sequence[JobFailed]) -> None:
        """Publish dead letters."""


class Expiring:
    """Sends the letters of jobs whose `expire_by` has passed."""

    def __init__(self, *, store: ExpiryStore, publisher: LetterPublisher) -> None:
        self._store, self._publisher = store, publisher

    async def expire(self, jobs: Sequence[Record]) -> None:
        """Take these expired jobs for judging, then send their letters; a lost one is sent again."""
        if not jobs:
            return
        await self._store.apply([expire(j["_id"], j["version"], wake_at=j["wake_at"]) for j in jobs])
        stored = await self._store.records([j["_id"] for j in jobs])
        taken = [s for j in jobs if (s := stored.get(j["_id"])) and _was_taken(j, s)]
        await self._publisher.failed([_letter(job) for job in taken])


def _was_taken(seen: Record, stored: Record) -> bool:
    same = (stored["version"], stored["state"]) == (seen["version"], seen["state"])
    return same and stored.get("wake_at") != seen["wake_at"]


def _letter(job: Record) -> JobFailed:
    return JobFailed(
        job_id=job["_id"],
        owner=job["owner"],
        version=job["version"],
        attempt=job["failures"],
        task=job["task"],
        kind=ErrorKind.EXPIRED,
        error=EXPIRED,
        traceparent=job.get("traceparent"),
    )

"""What people may do to a job: stop it, start it anew, remove it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

from api.problems import (
    JOB_FINAL,
    JOB_NOT_FAILED,
    JOB_NOT_FINAL,
    REDRIVE_LIMIT,
    Problem,
    job_not_found,
    unavailable,
)
from job_contracts.lifecycle import FINAL, JobState
from job_contracts.personal import cancel, redrive, request_cancel
from job_contracts.record import GuardedMove
from job_contracts.views import Record, encode_view, job_view

_TRIES: Final = 5


class MovingStore(Protocol):
    """Where jobs are kept."""

    async def job(self, job_id: str, *, owner: str) -> Record | None:
        """Return a job."""

    async def move(self, move: GuardedMove) -> Record | None:
        """Make a move and return what is stored after it; None if nothing matched."""

    async def remove(self, job_id: str, *, owner: str, states: Sequence[str]) -> bool:
        """Remove a job in one of these states; false if there is none."""


class Announcer(Protocol):
    """Tells others behind the answer; never waits, never fails."""

    def stored(self, records: Sequence[tuple[Record, bytes]]) -> None:
        """These jobs have changed."""


class Moving:
    """Makes the moves of people; every one compares and sets."""

    def __init__(
        self, *, store: MovingStore, announcer: Announcer, cancelled_kept: timedelta, redrives: int
    ) -> None:
        self._store = store
        self._announcer = announcer
        self._cancelled_kept = cancelled_kept
        self._redrives = redrives

    async def cancel(self, job_id: str, *, owner: str) -> bytes:
        """Cancel at once, or ask the worker to stop; return the view.

        Raises
        ------
        Problem
            The job has ended, or there is none.
        """
        either = (
            cancel([job_id], owner=owner, retention=self._cancelled_kept),
            request_cancel([job_id], owner=owner),
        )
        # The job may slip from one filter's states into the other's between two tries.
        for _ in range(_TRIES):
            for move in either:
                if (record := await self._store.move(move)) is not None:
                    return self._announce(record)
            record = await self._existing(job_id, owner)
            if record["state"] in FINAL:
                raise Problem(JOB_FINAL, f"the job is {record['state']}")
        raise unavailable("the job changes faster than it can be cancelled")

    async def redrive(
        self, job_id: str, *, owner: str, payload: str | None = None, force: bool = False
    ) -> bytes:
        """Start a failed job anew and return the view.

        Raises
        ------
        Problem
            The job has not failed, or was redriven too often.
        """
        limit = None if force else self._redrives
        record = await self._store.move(redrive([job_id], owner=owner, limit=limit, payload=payload))
        if record is not None:
            return self._announce(record)
        record = await self._existing(job_id, owner)
        if record["state"] != JobState.FAILED:
            raise Problem(JOB_NOT_FAILED, f"the job is {record['state']}")
        raise Problem(REDRIVE_LIMIT, f"the job was redriven {record['redrives']} times")

    async def remove(self, job_id: str, *, owner: str) -> None:
        """Remove an ended job and its results; `Problem` while it lives."""
        if not await self._store.remove(job_id, owner=owner, states=sorted(map(str, FINAL))):
            record = await self._existing(job_id, owner)
            raise Problem(JOB_NOT_FINAL, f"the job is {record['state']}")

    async def failed(self, job_id: str, *, owner: str) -> Record:
        """Return a job that can be redriven, to judge a new payload by its task."""
        record = await self._existing(job_id, owner)
        if record["state"] != JobState.FAILED:
            raise Problem(JOB_NOT_FAILED, f"the job is {record['state']}")
        return record

    async def _existing(self, job_id: str, owner: str) -> Record:
        record = await self._store.job(job_id, owner=owner)
        if record is None:
            raise job_not_found(job_id)
        return record

    def _announce(self, record: Record) -> bytes:
        view = encode_view(job_view(record))
        self._announcer.stored([(record, view)])
        return view

"""What people may do to a job: stop it, put it off, start it anew, remove it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from api.conflating import News
from api.drafting import too_far
from api.problems import (
    JOB_FINAL,
    JOB_NOT_FAILED,
    JOB_NOT_FINAL,
    JOB_NOT_WAITING,
    REDRIVE_LIMIT,
    UNIQUE_KEY_HELD,
    FieldError,
    Problem,
    invalid,
    job_not_found,
    unavailable,
)
from job_contracts.lifecycle import FINAL, JobState
from job_contracts.personal import cancel, redrive, request_cancel, reschedule
from job_contracts.record import GuardedMove
from job_contracts.views import Record, encode_view, job_view

_TRIES: Final = 5


class KeyHeldError(Exception):
    """The move would give a second live job its `unique_key`."""


class MovingStore(Protocol):
    """Where jobs are kept."""

    async def job(self, job_id: str, *, owner: str) -> Record | None:
        """Return a job."""

    async def move(self, move: GuardedMove) -> Record | None:
        """Make a move and return what is stored after it; None if nothing matched.

        Raises
        ------
        KeyHeldError
            Another live job has the job's `unique_key`.
        """

    async def remove(self, job_id: str, *, owner: str, states: Sequence[str]) -> bool:
        """Remove a job in one of these states; false if there is none."""


class Letters(Protocol):
    """Where dead letters are kept."""

    async def job_redriven(self, job_id: str) -> None:
        """Count a redrive in the newest letter of a job."""


class Announcer(Protocol):
    """Tells others behind the answer; never waits, never fails."""

    def stored(self, records: Sequence[News]) -> None:
        """These jobs have changed."""


class Moving:
    """Makes the moves of people; every one compares and sets."""

    def __init__(
        self,
        *,
        store: MovingStore,
        letters: Letters,
        announcer: Announcer,
        now: Callable[[], datetime],
        cancelled_kept: timedelta,
        redrives: int,
    ) -> None:
        self._store = store
        self._letters = letters
        self._announcer = announcer
        self._now = now
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

    async def reschedule(
        self, job_id: str, *, owner: str, run_at: datetime | None = None, low: bool | None = None
    ) -> bytes:
        """Give a waiting job another time or priority and return the view.

        Any reason to wait will do: a job that waits for a retry or an upstream may be tried
        sooner, one whose task is paused, or that yields to others, gets a time of its own.

        Raises
        ------
        Problem
            The job does not wait, or the time does not suit it.
        """
        if run_at is not None:
            if wrong := too_far(run_at, self._now()):
                raise invalid([wrong])
            expire_by = (await self._existing(job_id, owner)).get("expire_by")
            if expire_by is not None and run_at >= expire_by:
                raise invalid([FieldError("/run_at", "is after the job expires")])
        record = await self._store.move(reschedule(job_id, owner=owner, run_at=run_at, low=low))
        if record is None:
            record = await self._existing(job_id, owner)
            raise Problem(JOB_NOT_WAITING, f"the job is {record['state']}")
        return self._announce(record)

    async def redrive(
        self,
        job_id: str,
        *,
        owner: str,
        payload: str | None = None,
        digest: str | None = None,
        force: bool = False,
    ) -> bytes:
        """Start a failed job anew and return the view; `digest` is the version that has judged a new payload.

        Raises
        ------
        Problem
            The job has not failed, was redriven too often, or its `unique_key` is taken.
        """
        limit = None if force else self._redrives
        try:
            record = await self._store.move(
                redrive([job_id], owner=owner, limit=limit, payload=payload, digest=digest)
            )
        except KeyHeldError as error:
            raise Problem(UNIQUE_KEY_HELD, "another live job has its unique_key") from error
        if record is not None:
            view = self._announce(record)
            await self._letters.job_redriven(job_id)
            return view
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

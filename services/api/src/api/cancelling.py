"""Stopping all live jobs that pass a filter: by batches, bounded in time."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Struct

from api.conflating import News
from api.listing import JobFilters, ListQuery
from job_contracts.lifecycle import LIVE, JobState
from job_contracts.personal import cancel, request_cancel
from job_contracts.record import GuardedMove
from job_contracts.views import Record

BATCH: Final = 500
"""Jobs taken at once: some ten milliseconds of work for MongoDB."""

_TRIES: Final = 5


class Stubs(Protocol):
    """Some jobs of a walk, and the id behind which to go on if there is more."""

    @property
    def records(self) -> Sequence[Record]:
        """Id and state of each."""

    @property
    def last_id(self) -> str | None:
        """None at the end of the walk."""


class CancellingStore(Protocol):
    """Where jobs are kept."""

    async def newest(self, *, owner: str) -> str | None:
        """Return the greatest id of an owner's jobs."""

    async def query(self, filters: JobFilters, after: str | None, *, owner: str) -> ListQuery:
        """Return the shortest walk that serves these filters, beginning behind the job `after`."""

    async def stubs(self, query: ListQuery, *, limit: int) -> Stubs:
        """Return id and state of the next jobs along the query's index."""

    async def change(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates in one round trip; return how many jobs changed."""

    async def jobs(self, ids: Collection[str]) -> list[Record]:
        """Return those of these jobs that are there."""


class Announcer(Protocol):
    """Tells others behind the answer; never waits, never fails."""

    def stored(self, records: Sequence[News]) -> None:
        """These jobs have changed."""


class CancelledMany(Struct, frozen=True, kw_only=True):
    """How many live jobs passed the filter and were stopped; `complete` is false if there may be more."""

    matched: int
    cancelled: int
    requested: int
    complete: bool


class _Stopped(NamedTuple):
    cancelled: int
    requested: int
    is_all: bool


class Cancelling:
    """Cancels what waits and asks what runs to stop.

    Parameters
    ----------
    patience
        Longest time of one batch: behind a stuck database nobody waits for the whole time.
    time_limit
        When no further batch is begun. The same call again goes on, since what was
        stopped does not match any more.
    """

    def __init__(
        self,
        *,
        store: CancellingStore,
        announcer: Announcer,
        cancelled_kept: timedelta,
        patience: timedelta,
        time_limit: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._announcer = store, announcer
        self._cancelled_kept = cancelled_kept
        self._patience, self._time_limit = patience.total_seconds(), time_limit.total_seconds()
        self._clock = clock

    async def cancel(self, filters: JobFilters, *, owner: str, dry_run: bool = False) -> CancelledMany:
        """Stop the live jobs that pass the filters and are stored now; a dry run only counts."""
        until = self._clock() + self._time_limit
        matched = cancelled = requested = 0
        complete = True
        async with asyncio.timeout(self._patience):
            newest = await self._store.newest(owner=owner)
            query = await self._store.query(filters, None, owner=owner)
        after: str | None = None
        while newest is not None:
            if self._clock() >= until:
                complete = False
                break
            async with asyncio.timeout(self._patience):
                page = await self._store.stubs(_between(after, newest, query), limit=BATCH)
                matched += len(page.records)
                done = _counted(page.records) if dry_run else await self._stop(page.records, owner)
            cancelled, requested = cancelled + done.cancelled, requested + done.requested
            complete = complete and done.is_all
            if (after := page.last_id) is None:
                break
        return CancelledMany(matched=matched, cancelled=cancelled, requested=requested, complete=complete)

    async def _stop(self, stubs: Sequence[Record], owner: str) -> _Stopped:
        ids = [stub["_id"] for stub in stubs]
        cancelled = requested = 0
        # A job may slip from one filter's states into the other's between the two updates.
        for _ in range(_TRIES):
            if not ids:
                break
            cancelled += await self._store.change([cancel(ids, owner=owner, retention=self._cancelled_kept)])
            requested += await self._store.change([request_cancel(ids, owner=owner)])
            records = await self._store.jobs(ids)
            ids = [r["_id"] for r in records if r["state"] in LIVE and not r.get("cancel_requested")]
            stopped = [r for r in records if r["_id"] not in ids]
            self._announcer.stored([(record, None) for record in stopped])
        return _Stopped(cancelled, requested, not ids)


def _between(after: str | None, newest: str, query: ListQuery) -> ListQuery:
    # Jobs that come while we walk are none of this call's: or it would never end.
    bounds: dict[str, Any] = {**query.lead.get("_id", {}), "$lte": newest}
    if after is not None:
        bounds["$gt"] = after
    not_yet = {"cancel_requested": {"$ne": True}}
    return query._replace(lead={**query.lead, "_id": bounds}, rest={**query.rest, **not_yet})


def _counted(stubs: Sequence[Record]) -> _Stopped:
    running = sum(stub["state"] == JobState.RUNNING for stub in stubs)
    return _Stopped(len(stubs) - running, running, True)


def live_jobs(
    *, state: str | None = None, task: str | None = None, tag: str | None = None, batch: str | None = None
) -> JobFilters:
    """Return the filters of live jobs, the oldest first."""
    return JobFilters(
        states=[state] if state else sorted(map(str, LIVE)),
        task=task,
        tags=[tag] if tag else [],
        batch=batch,
        newest_first=False,
    )

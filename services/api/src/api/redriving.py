"""Starting anew all failed jobs whose dead letters pass a filter: by batches, at a rate, bounded in time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Final, Protocol

from msgspec import Struct

from api.conflating import News
from api.dead_letters import LetterFilters
from job_contracts.lifecycle import JobState
from job_contracts.personal import redrive, redrive_later
from job_contracts.record import GuardedMove
from job_contracts.views import Record

BATCH: Final = 500
"""Letters taken at once."""

_TICK: Final = 0.25
"""Seconds; jobs whose turns lie closer together than this share one update."""


class LetterPage(Protocol):
    """Some letters, and where to go on if there is more."""

    @property
    def letters(self) -> Sequence[tuple[str, str]]:
        """Id and job of each, the newest first."""

    @property
    def cursor(self) -> str | None:
        """None at the end."""


class Letters(Protocol):
    """Where dead letters are kept."""

    async def of_jobs(
        self, filters: LetterFilters, *, owner: str, limit: int, cursor: str | None
    ) -> LetterPage:
        """Return the newest letters that pass the filters and speak of a job."""

    async def redriven(self, letter_ids: Collection[str]) -> None:
        """Count a redrive in each of these letters."""


class RedrivingStore(Protocol):
    """Where jobs are kept."""

    async def standing(self, ids: Collection[str], *, owner: str) -> list[Record]:
        """Return how those of these jobs stand that are there and this owner's."""

    async def change(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates in one round trip; return how many jobs changed."""

    async def jobs(self, ids: Collection[str]) -> list[Record]:
        """Return those of these jobs that are there."""


class Announcer(Protocol):
    """Tells others behind the answer; never waits, never fails."""

    def stored(self, records: Sequence[News]) -> None:
        """These jobs have changed."""


class RedrivenMany(Struct, frozen=True, kw_only=True):
    """How many jobs the matching letters speak of, and what became of them; `complete` is false if there are more."""

    matched: int
    redriven: int
    skipped: int
    complete: bool


class Redriving:
    """Starts failed jobs anew.

    Parameters
    ----------
    redrives
        A job that was redriven so often is left alone.
    patience
        Longest time of one batch: behind a stuck database nobody waits for the whole time.
    time_limit
        When no further batch is begun. The same call again skips what was redriven.
    """

    def __init__(
        self,
        *,
        store: RedrivingStore,
        letters: Letters,
        announcer: Announcer,
        redrives: int,
        patience: timedelta,
        time_limit: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._letters, self._announcer = store, letters, announcer
        self._redrives = redrives
        self._patience, self._time_limit = patience.total_seconds(), time_limit.total_seconds()
        self._clock = clock

    async def redrive(
        self, filters: LetterFilters, *, owner: str, rate: float | None = None, dry_run: bool = False
    ) -> RedrivenMany:
        """Start jobs anew, `rate` a second or all at once; a dry run only counts.

        Skipped are jobs that have not failed any more, or for another reason than the
        filter names, were redriven too often, or whose `unique_key` a live job has.
        """
        until = self._clock() + self._time_limit
        seen: set[str] = set()
        redriven, turns = 0, count()
        cursor: str | None = None
        while self._clock() < until:
            async with asyncio.timeout(self._patience):
                page = await self._letters.of_jobs(filters, owner=owner, limit=BATCH, cursor=cursor)
                # A job has a letter for each time it failed: the newest is the first we meet.
                newest = {job: letter for letter, job in reversed(page.letters) if job not in seen}
                seen.update(newest)
                standing = await self._store.standing(newest, owner=owner)
                due = [record for record in standing if self._is_due(record, filters)]
                redriven += len(due) if dry_run else await self._start(due, newest, owner, rate, turns)
            if (cursor := page.cursor) is None:
                break
        return RedrivenMany(
            matched=len(seen), redriven=redriven, skipped=len(seen) - redriven, complete=cursor is None
        )

    def _is_due(self, record: Record, filters: LetterFilters) -> bool:
        if record["state"] != JobState.FAILED or record["redrives"] >= self._redrives:
            return False
        # An older letter passed, but by now the job has failed otherwise.
        error = record["error"]
        return filters.kind in (None, error.get("kind")) and filters.error_type in (None, error["type"])

    async def _start(
        self,
        due: Sequence[Record],
        letters: Mapping[str, str],
        owner: str,
        rate: float | None,
        turns: Iterator[int],
    ) -> int:
        if not due:
            return 0
        changed = await self._store.change(self._moves(due, owner, rate, turns))
        before = {record["_id"]: record["redrives"] for record in due}
        stored = await self._store.jobs(before)
        moved = [record for record in stored if record["redrives"] == before[record["_id"]] + 1]
        self._announcer.stored([(record, None) for record in moved])
        await self._letters.redriven([letters[record["_id"]] for record in moved])
        return changed

    def _moves(
        self, due: Sequence[Record], owner: str, rate: float | None, turns: Iterator[int]
    ) -> list[GuardedMove]:
        alike: defaultdict[float, list[str]] = defaultdict(list)
        alone: list[tuple[float, str]] = []
        for record in due:
            wait = 0.0 if rate is None else next(turns) / rate // _TICK * _TICK
            if "unique_key" in record:
                # An update of many would end at the first whose key is held.
                alone.append((wait, record["_id"]))
            else:
                alike[wait].append(record["_id"])
        groups = [*alike.items(), *((wait, [job_id]) for wait, job_id in alone)]
        limit = self._redrives
        if rate is None:
            return [redrive(ids, owner=owner, limit=limit) for _, ids in groups]
        return [
            redrive_later(ids, owner=owner, limit=limit, wait=timedelta(seconds=wait)) for wait, ids in groups
        ]

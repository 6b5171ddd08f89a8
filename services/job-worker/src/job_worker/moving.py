"""Moves the worker makes itself, in groups: retries, postponements, give-backs, stops."""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from job_contracts.lifecycle import JobState
from job_contracts.record import GuardedMove
from job_contracts.views import Record
from service_chassis.backoff import Backoff
from service_chassis.grouping import Grouped
from service_chassis.isolation import apply_apart
from service_chassis.mongo import is_outage
from service_chassis.publisher import PublishError

log = logging.getLogger(__name__)


class MoveStore(Protocol):
    """What moving asks of storage."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply moves in order."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is stored."""


class MovePublisher(Protocol):
    """What moving tells the others."""

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce stored states."""

    async def requested(self, records: Sequence[Record]) -> None:
        """Ask workers to look at pending jobs."""


class _Wanted(NamedTuple):
    job_id: str
    version: int
    moves: Sequence[GuardedMove]


class Moving:
    """Makes guarded moves until MongoDB has answered, then says what is stored."""

    def __init__(
        self,
        *,
        store: MoveStore,
        publisher: MovePublisher,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store, self._publisher, self._pause = store, publisher, pause
        self._moves: Grouped[_Wanted, Record | None] = Grouped(self._make)
        # Apart from the moves: those do not wait for a Kafka that is away.
        self._announcements: Grouped[Record, None] = Grouped(self._announce)
        self._notes: Grouped[GuardedMove, None] = Grouped(self._note)

    async def make(self, job_id: str, version: int, *moves: GuardedMove) -> bool:
        """Make the first of the moves that matches; false if none did: somebody else moved the job.

        The moves are tried in order, in one round trip: when one matches, the version has
        changed and the later ones match nothing. An outage is waited out; trying again is
        safe because a move that was made matches nothing.
        """
        moved = await self._moves.submit(_Wanted(job_id, version, moves))
        if moved is None:
            return False
        await self._announcements.submit(moved)
        return True

    async def note(self, update: GuardedMove) -> None:
        """Apply an update that is no move, with all that come meanwhile, until MongoDB has answered."""
        await self._notes.submit(update)

    async def _note(self, group: Sequence[GuardedMove]) -> Sequence[None]:
        await self.until_answered(self._store.apply, group)
        return [None] * len(group)

    async def _make(self, group: Sequence[_Wanted]) -> Sequence[Record | None]:
        stored = await self.until_answered(self._apply_and_read, group)
        records = (stored.get(w.job_id) for w in group)
        return [
            r if r and r["version"] == w.version + 1 else None for w, r in zip(group, records, strict=True)
        ]

    async def _announce(self, group: Sequence[Record]) -> Sequence[None]:
        await self.announce(group)
        return [None] * len(group)

    async def _apply_and_read(self, group: Sequence[_Wanted]) -> dict[str, Record]:
        await self._store.apply([move for w in group for move in w.moves])
        return await self._store.records({w.job_id for w in group})

    async def until_answered(self, ask: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Ask MongoDB until it answers: an outage is none of a job's business."""
        failures = 0
        while True:
            try:
                return await ask(*args)
            except Exception as error:
                if not is_outage(error):
                    raise
                failures += 1
                log.warning("mongo.away", extra={"failures": failures, "reason": repr(error)[:200]})
                wait = Backoff(first=timedelta(milliseconds=200), cap=timedelta(seconds=3)).wait(failures)
                await self._pause(wait.total_seconds())

    async def announce(self, records: Sequence[Record]) -> None:
        """Publish stored states; what does not get through is repaired by `wake_at` and by readers' reconcile."""
        pending = [r for r in records if r["state"] == JobState.PENDING]
        try:
            await apply_apart(self._publisher.changed, records, refused=_not_told)
            await apply_apart(self._publisher.requested, pending, refused=_not_told)
        except PublishError as error:
            log.warning("announcement.lost", extra={"jobs": len(records), "reason": str(error)})


def _not_told(record: Record, error: Exception) -> None:
    log.error("announcement.refused", extra={"job_id": record["_id"], "reason": repr(error)[:200]})

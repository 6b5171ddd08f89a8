"""Reads again what somebody watches: an event may be lost with its dead author, or with Kafka."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

from api.fanout import Hub
from api.live_event import LiveEvent, Moment
from job_contracts.views import Record

log = logging.getLogger(__name__)


WHILE_DEAF: Final = timedelta(seconds=2)
"""How often while no events come at all."""

_MOST: Final = 1_000


class ReconcilingStore(Protocol):
    """Where jobs are kept."""

    async def versions(self, ids: Collection[str]) -> Mapping[str, Moment]:
        """Return version and revision of those of these jobs that are there."""

    async def jobs(self, ids: Collection[str]) -> Sequence[Record]:
        """Return those of these jobs that are there."""

    async def results(self, records: Sequence[Record], limit: int | None) -> Mapping[str, bytes]:
        """Return results by job id; what is larger than `limit` stays where it is."""


class Reconciling:
    """Every few seconds gives the hub what it has missed; a part of the service."""

    def __init__(
        self,
        *,
        hub: Hub,
        store: ReconcilingStore,
        every: timedelta,
        events_come: Callable[[], bool],
        inline_limit: int,
    ) -> None:
        self._hub = hub
        self._store = store
        self._every = every
        self._events_come = events_come
        self._inline_limit = inline_limit
        self._watched: dict[str, Moment] = {}
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Reconciling":
        self._runner = asyncio.create_task(self._run(), name="reconcile")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()

    async def look(self) -> None:
        """Compare what is stored with what was sent, and send what is newer."""
        watched, unended = self._hub.watched(), self._hub.unended(_MOST)
        ids = watched | unended.keys()
        if not ids:
            self._watched = {}
            return
        stored = await self._store.versions(ids)
        known = {**{job_id: self._watched.get(job_id, (0, 0)) for job_id in watched}, **unended}
        newer = [job_id for job_id, moment in stored.items() if moment > known[job_id]]
        if newer:
            records = await self._store.jobs(newer)
            results = await self._store.results(records, self._inline_limit)
            for record in records:
                self._repair(record, results.get(record["_id"]))
        for job_id in watched - stored.keys():
            self._hub.end(job_id)
        self._hub.forget(unended.keys() - stored.keys())
        # What was read once is in the mailboxes: only what is newer need be read again.
        self._watched = {job_id: stored[job_id] for job_id in watched & stored.keys()}

    def _repair(self, record: Mapping[str, Any], result: bytes | None) -> None:
        try:
            self._hub.repair(LiveEvent.of_record(record, result))
        except Exception as error:  # noqa: BLE001  one record that cannot be shown must not silence the others
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            log.error("reconcile.bad_record", extra={"job_id": record["_id"], "reason": reason})

    async def _run(self) -> None:
        while True:
            every = self._every if self._events_come() else min(WHILE_DEAF, self._every)
            await asyncio.sleep(every.total_seconds())
            try:
                async with asyncio.timeout(5):
                    await self.look()
            except Exception as error:  # noqa: BLE001  what is missed now is found the next time
                log.info("reconcile.failed", extra={"reason": f"{type(error).__name__}: {str(error)[:200]}"})

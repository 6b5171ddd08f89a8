"""Tells a long queue from a lost message: what Kafka has acknowledged is looked after later.

A new job is looked at again a few seconds after its insert, lest its message was lost.
Once Kafka has the message and the job is still pending it only queues: its `wake_at` goes
far out, or a backlog of a million jobs would be published again and again. Nothing breaks
when this is late or not done at all: the dispatcher then publishes once too often.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from job_contracts.keeping import far_out
from job_contracts.record import GuardedMove

log = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=1)
"""A job has this long, twice at most, to be taken before it counts as queueing: far below the grace."""

_REMEMBERED: Final = 100_000

_Message = tuple[str, int, datetime]
"""Id, version and `wake_at` of a pending job."""


class BacklogStore(Protocol):
    """Where pending jobs are looked for."""

    async def still_pending(self, low: datetime, high: datetime) -> Sequence[_Message]:
        """Return id, version and `wake_at` of pending jobs that wake between these moments."""

    async def apply(self, moves: Sequence[GuardedMove]) -> None:
        """Apply guarded updates."""


class Backlog:
    """Moves `wake_at` of queueing jobs far out, about once a second; a part of the service."""

    def __init__(self, *, store: BacklogStore, every: timedelta = EVERY) -> None:
        self._store = store
        self._every = every
        self._acknowledged: deque[_Message] = deque(maxlen=_REMEMBERED)
        self._earlier: deque[_Message] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Backlog":
        self._runner = asyncio.create_task(self._run(), name="backlog")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()

    def acknowledged(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Kafka has the messages of these pending jobs."""
        self._acknowledged.extend((r["_id"], r["version"], r["wake_at"]) for r in records)

    async def look(self) -> None:
        """Move those far out that Kafka had at the last look and nobody has taken yet."""
        # Not those of a moment ago: where little queues they are taken before the next look, and need no update.
        known, self._earlier = set(self._earlier), self._acknowledged
        self._acknowledged = deque(maxlen=_REMEMBERED)
        if not known:
            return
        moments = [wake_at for _, _, wake_at in known]
        waiting = [job for job in await self._store.still_pending(min(moments), max(moments)) if job in known]
        groups: defaultdict[tuple[int, datetime], list[str]] = defaultdict(list)
        for job_id, version, wake_at in waiting:
            groups[version, wake_at].append(job_id)
        if groups:
            await self._store.apply([far_out(ids, v, wake_at=w) for (v, w), ids in groups.items()])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                async with asyncio.timeout(5):
                    await self.look()
            except Exception as error:  # noqa: BLE001  the dispatcher makes good what is missed here
                log.info("backlog.not_moved", extra={"reason": f"{type(error).__name__}: {str(error)[:200]}"})

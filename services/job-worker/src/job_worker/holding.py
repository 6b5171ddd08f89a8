"""Jobs whose task has ended are held until their end is recorded, however long Kafka or MongoDB takes."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

from job_contracts.keeping import hold_outcome
from job_contracts.record import GuardedMove
from job_worker.execution import Execution
from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=5)
"""A job is held after two looks at most: long before the margin in which its end may be recorded has passed."""


class HoldStore(Protocol):
    """Where the time of the next look is pushed."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates."""


class Holding:
    """Pushes `wake_at` of jobs that have ended here and whose end is on its way, so that nobody reaps them.

    An end may lie in the group that is being published, behind it, or wait for MongoDB to take the log
    or the move: all of them are held, from the second look after the task has ended (docs/protocol.md, 11).
    """

    def __init__(self, *, execution: Execution, store: HoldStore, every: timedelta = EVERY) -> None:
        self._execution, self._store, self._every = execution, store, every
        self._seen: set[tuple[str, int]] = set()
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Holding":
        self._runner = asyncio.create_task(self._run(), name="holding")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()

    async def look(self) -> None:
        """Hold what had ended at the last look, and is still here."""
        ended = {job.fence for job in self._execution.running.values() if job.ended}
        by_version: dict[int, list[str]] = defaultdict(list)
        for job_id, version in ended & self._seen:
            by_version[version].append(job_id)
        self._seen = ended
        await self._store.apply([hold_outcome(ids, version) for version, ids in by_version.items()])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                await self.look()
            except Exception as error:
                # What was not held is seen again at the next look, and there are several before anybody judges.
                if is_outage(error):
                    log.warning("outcome.not_held", extra={"reason": repr(error)[:200]})
                else:
                    log.exception("holding.failed")

"""What ended in which minute: collected here, written for all that came meanwhile, beside everything else."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from job_contracts.minutes import Addition, Ending, additions
from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

_EVERY: Final = timedelta(milliseconds=500)
_LAST: Final = timedelta(seconds=2)


class MinuteStore(Protocol):
    """Where minutes are kept."""

    async def count(self, additions: Sequence[Addition]) -> None:
        """Add to the minutes in which jobs ended, in one round trip."""


class Figures:
    """Adds ended jobs to their minutes, at most twice a second; a part of the service.

    One write for each batch would cost as much as the move that it counts. What is not
    written when the process dies is lost, as a crash between move and count always was
    (docs/protocol.md, 16).
    """

    def __init__(self, *, store: MinuteStore, every: timedelta = _EVERY) -> None:
        self._store, self._every = store, every
        self._endings: list[Ending] = []
        self._some = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Figures":
        self._runner = asyncio.create_task(self._run(), name="figures")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        try:
            async with asyncio.timeout(_LAST.total_seconds()):
                await self.write()
        except TimeoutError:
            log.warning("figures.lost", extra={"reason": "the database did not answer before the end"})

    def add(self, endings: Iterable[Ending]) -> None:
        """Count these jobs, each given once."""
        self._endings += endings
        if self._endings:
            self._some.set()

    async def write(self) -> None:
        """Write what has come since the last time; what MongoDB may or may not have taken is not written again."""
        self._some.clear()
        endings, self._endings = self._endings, []
        try:
            await self._store.count(additions(endings))
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("figures.lost", extra={"jobs": len(endings), "reason": repr(error)[:200]})

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            try:
                await self.write()
            except Exception:
                # Figures are worth no job: recording goes on, and so does the next write.
                log.exception("figures.not_written")
            await asyncio.sleep(self._every.total_seconds())

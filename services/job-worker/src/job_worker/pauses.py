"""Which tasks are paused, as fresh as a second: read from the catalogue, where people and the brake say it."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=1)
"""Half of the two seconds within which workers must have stopped."""

BRAKE: Final = "brake"
"""`by` of a pause that the brake has set; otherwise it was a person."""


class Pause(NamedTuple):
    """Why a task is paused, and since when."""

    at: datetime
    by: str
    error_type: str | None


class PauseStore(Protocol):
    """Where pauses stand."""

    async def paused_tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the pauses by task."""


class Pauses:
    """What this worker knows of pauses; a part of the service that looks while it lives."""

    def __init__(self, *, store: PauseStore, every: timedelta = EVERY) -> None:
        self._store, self._every = store, every
        self._known: dict[str, Pause] = {}
        self._read = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Pauses":
        self._runner = asyncio.create_task(self._run(), name="pauses")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()

    async def known(self) -> None:
        """Wait for the first look: nothing may be claimed before it."""
        await self._read.wait()

    def of(self, task: str) -> Pause | None:
        """Return why a task is paused, or None if it is not."""
        return self._known.get(task)

    async def look(self) -> None:
        """Read what is stored."""
        stored = await self._store.paused_tasks()
        now = {
            name: Pause(at=p["at"], by=p["by"], error_type=p.get("error_type")) for name, p in stored.items()
        }
        for name in now.keys() - self._known.keys():
            log.warning("task.paused", extra={"task": name, "by": now[name].by})
        for name in self._known.keys() - now.keys():
            log.info("task.resumed", extra={"task": name})
        self._known = now
        self._read.set()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:
                # What is known stays known: nothing is claimed without MongoDB anyway.
                if not is_outage(error):
                    log.exception("pauses.not_read")
            await asyncio.sleep(self._every.total_seconds())

"""Tells the api what tasks there are: written at start, as soon as MongoDB answers."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from job_worker.moving import Moving
from job_worker.tasks import Task
from service_chassis.health import Status
from service_chassis.isolation import apply_apart

log = logging.getLogger(__name__)


class CatalogueStore(Protocol):
    """Where the catalogue stands."""

    async def publish_catalogue(self, entries: Sequence[dict[str, Any]]) -> None:
        """Store what tasks there are."""


class Catalogue:
    """Publishes the tasks that are installed: at start, and again when one could be loaded later."""

    def __init__(self, *, store: CatalogueStore, moving: Moving) -> None:
        self._entries: dict[str, dict[str, Any]] = {}
        self._store, self._moving = store, moving
        self._task: asyncio.Task[None] | None = None
        self._new = asyncio.Event()
        self._published = False

    async def __aenter__(self) -> "Catalogue":
        self._task = asyncio.create_task(self._run(), name="catalogue")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    def add(self, task: Task) -> None:
        """Publish this task with the next writing."""
        self._entries[task.name] = task.catalogue_entry()
        self._new.set()

    def check(self) -> Status:
        """Whether the tasks are known to the api: before that it would call them unknown."""
        return Status(self._published, "published" if self._published else "waits for MongoDB to store it")

    async def _run(self) -> None:
        while True:
            self._new.clear()
            await apply_apart(self._publish, list(self._entries.values()), refused=_not_published)
            self._published = True
            await self._new.wait()

    async def _publish(self, entries: Sequence[dict[str, Any]]) -> None:
        await self._moving.until_answered(self._store.publish_catalogue, entries)


def _not_published(entry: dict[str, Any], error: Exception) -> None:
    log.error("task.not_published", extra={"task": entry["_id"], "reason": repr(error)[:200]})

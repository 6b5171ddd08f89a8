"""Tells the api what tasks there are: written at start, as soon as MongoDB answers."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from job_worker.moving import Moving
from job_worker.tasks import Task
from service_chassis.health import Status


class CatalogueStore(Protocol):
    """Where the catalogue stands."""

    async def publish_catalogue(self, entries: Sequence[dict[str, Any]]) -> None:
        """Store what tasks there are."""


class Catalogue:
    """Publishes the installed tasks once per start."""

    def __init__(self, tasks: Mapping[str, Task], *, store: CatalogueStore, moving: Moving) -> None:
        self._entries = [task.catalogue_entry() for task in tasks.values()]
        self._store, self._moving = store, moving
        self._task: asyncio.Task[None] | None = None
        self._published = False

    async def __aenter__(self) -> "Catalogue":
        self._task = asyncio.create_task(self._publish(), name="catalogue")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    def check(self) -> Status:
        """Whether the tasks are known to the api: before that it would call them unknown."""
        return Status(self._published, "published" if self._published else "waits for MongoDB to store it")

    async def _publish(self) -> None:
        await self._moving.until_answered(self._store.publish_catalogue, self._entries)
        self._published = True

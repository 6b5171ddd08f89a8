"""What tasks open once per worker: HTTP clients, caches, pools."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from job_worker.tasks import Task, TaskEnvironment

log = logging.getLogger(__name__)


class Resources:
    """Opens the resources of every task at start and closes them at the end."""

    def __init__(self, tasks: Mapping[str, Task], environment: TaskEnvironment) -> None:
        self._tasks, self._environment = tasks, environment
        self._stack = AsyncExitStack()
        self.opened: dict[str, Any] = {}

    async def __aenter__(self) -> "Resources":
        for task in self._tasks.values():
            if task.resources is not None:
                self.opened[task.name] = await self._stack.enter_async_context(
                    task.resources(self._environment)
                )
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(3):
                await self._stack.aclose()
        except TimeoutError:
            log.warning("resources.not_closed")

"""Pausing a task by a person's wish, and letting it go on: its jobs wait meanwhile and lose nothing."""

from typing import Protocol

from api.catalogue import Catalogue, TaskView
from api.problems import NOT_FOUND, Problem


class PauseStore(Protocol):
    """Where pauses are kept."""

    async def pause(self, name: str, *, reason: str | None) -> bool:
        """Pause a task by a person's wish, whoever has paused it before; false if there is no such task."""

    async def resume(self, name: str) -> bool:
        """Let a task go on, whoever has paused it; false if there is no such task."""


class Pausing:
    """Sets and lifts pauses; workers look for them every second, the dispatcher finds what may go on."""

    def __init__(self, *, store: PauseStore, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    async def pause(self, name: str, *, reason: str | None) -> TaskView:
        """Pause a task and return its view; `Problem` if there is none of this name."""
        return await self._after(await self._store.pause(name, reason=reason), name)

    async def resume(self, name: str) -> TaskView:
        """Let a task go on and return its view; `Problem` if there is none of this name."""
        return await self._after(await self._store.resume(name), name)

    async def _after(self, is_there: bool, name: str) -> TaskView:
        view = await self._catalogue.fresh_view(name) if is_there else None
        if view is None:
            raise Problem(NOT_FOUND, f"no task {name[:100]!r}")
        return view

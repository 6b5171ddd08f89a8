"""State that all workers share: read with the server's time, changed in memory, written if nobody else was faster."""

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from job_worker.upstream.documents import Document
from service_chassis.backoff import Backoff
from service_chassis.grouping import Grouped

S = TypeVar("S")

_AT_ONCE: Final = 100
"""Changes in one writing: each takes up to half a millisecond of the loop, which all tasks share."""

_CONFLICT = Backoff(first=timedelta(milliseconds=10), cap=timedelta(milliseconds=200))


class Snapshot(NamedTuple):
    """A part of a document as it was read, its version, and the server's time of the reading."""

    value: Document
    version: int
    now: datetime


class StateStore(Protocol):
    """Where the state stands."""

    async def read(self, name: str, part: str) -> Snapshot:
        """Return a part of the document of an upstream; what was never written is empty, of version 0."""

    async def write(self, name: str, part: str, value: Document, *, version: int, task: str) -> bool:
        """Store the part if its version is still this one; false if it is not."""


class Shared(Generic[S]):
    """One part of the state of one upstream.

    The time is always MongoDB's: of the reading that a change is based on. A worker's clock is
    never asked, and a change that took long to arrive is at worst a little early in the log.
    Changes of one worker that come at once are made with one reading and one writing.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        name: str,
        part: str,
        task: str,
        from_document: Callable[[Document], S],
        to_document: Callable[[S], Document],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store, self._name, self._part, self._task = store, name, part, task
        self._from_document, self._to_document = from_document, to_document
        self._pause = pause
        self._changes: Grouped[Callable[[S, datetime], tuple[S, Any]], Any] = Grouped(
            self._change_all, most=_AT_ONCE
        )

    async def read(self) -> S:
        """Return the state as it stands."""
        return self._from_document((await self._store.read(self._name, self._part)).value)

    async def change(self, decide: Callable[[S, datetime], tuple[S, Any]]) -> Any:
        """Store what `decide` makes of the state at the server's time, and return its answer.

        It may be asked several times, when others change the state meanwhile.
        """
        return await self._changes.submit(decide)

    async def _change_all(self, group: Sequence[Callable[[S, datetime], tuple[S, Any]]]) -> list[Any]:
        conflicts = 0
        while True:
            value, version, now = await self._store.read(self._name, self._part)
            state = before = self._from_document(value)
            answers = []
            for decide in group:
                state, answer = decide(state, now)
                answers.append(answer)
            if state == before or await self._store.write(
                self._name, self._part, self._to_document(state), version=version, task=self._task
            ):
                return answers
            conflicts += 1
            await self._pause(_CONFLICT.wait(conflicts, random.random).total_seconds())

"""Answers that many ask for and few compute."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_FRESH: Final = timedelta(seconds=1.5)
_COST_SHARE: Final = 10


class Cached(Generic[T]):
    """One computation at a time, its answer kept for a while: the longer it took, the longer."""

    def __init__(
        self,
        compute: Callable[[], Awaitable[T]],
        *,
        fresh: timedelta = _FRESH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compute = compute
        self._fresh = fresh.total_seconds()
        self._clock = clock
        self._until = 0.0
        self._task: asyncio.Task[T] | None = None
        self._last: tuple[T] | None = None
        """The answer of before, if there is one."""

    async def get(self, *, within: timedelta | None = None) -> T:
        """Return the answer; all who ask meanwhile share one computation.

        What takes longer than `within` goes on, and the answer of before is returned; `TimeoutError` if
        there is none.
        """
        if self._task is None or (self._task.done() and self._clock() >= self._until):
            self._task = asyncio.create_task(self._run())
            # Nobody may be left to hear of a failure when it comes.
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        if within is None:
            return await asyncio.shield(self._task)
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await asyncio.shield(self._task)
        except TimeoutError:
            # What has failed by itself, and in time, tells so.
            if self._last is None or self._task.done():
                raise
            return self._last[0]

    async def _run(self) -> T:
        start = self._clock()
        self._until = start + self._fresh
        answer = await self._compute()
        self._last = (answer,)
        end = self._clock()
        self._until = end + max(self._fresh, _COST_SHARE * (end - start))
        return answer

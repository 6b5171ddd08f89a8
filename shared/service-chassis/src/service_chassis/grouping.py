"""Group commit: one operation in flight, the next takes all that came meanwhile."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from service_chassis.gathering import Gathering
from service_chassis.isolation import isolate

T = TypeVar("T")
R = TypeVar("R")

_Waiting = tuple[T, asyncio.Future[R]]


class GroupLostError(TimeoutError):
    """What handled a group was ended from outside, so there is no answer, and there may be one later."""


class Grouped(Generic[T, R]):
    """Turns many single requests into few operations on groups.

    An idle system answers at once, with groups of one; a busy one makes its groups as large as one
    operation is long, and larger ones larger still (`Gathering`).

    Parameters
    ----------
    operate
        Handles a group and returns one answer for each item, in order. What it raises is raised
        to everybody in the group if it is an outage. Otherwise the group is split and handled again
        (`isolate`), so that only the bad item has the error: it must be safe to repeat.
    most
        Items in one group at most.
    within
        Longest time for a group, lest others wait behind one that is stuck: then TimeoutError.
    """

    def __init__(
        self,
        operate: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        most: int = 500,
        within: timedelta | None = None,
    ) -> None:
        self._operate = operate
        self._most = most
        self._within = within.total_seconds() if within is not None else None
        self._gathering = Gathering()
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._runner: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def submit(self, item: T) -> R:
        """Have the item handled with others and return its answer."""
        return await self.put(item)

    def put(self, item: T) -> asyncio.Future[R]:
        """Have the item handled with others; its answer will be there. Cancelled before its turn, it is left out."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        while self._waiting:
            await self._gathering.wait()
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            # Whoever has stopped waiting (a client gone, a deadline passed) wants nothing done any more.
            group = [(item, answer) for item, answer in group if not answer.done()]
            if not group:
                continue
            self._gathering.took(len(group))
            try:
                await self._handle(group)
            except BaseException as error:
                # Whatever ends this, nobody waits for ever.
                _refuse(group, error if isinstance(error, Exception) else GroupLostError(repr(error)[:200]))
                if not isinstance(error, Exception) and not _is_uninvited(error):
                    raise

    async def _handle(self, group: Sequence[_Waiting[T, R]]) -> None:
        async with asyncio.timeout(self._within):
            async for part, results in isolate(self._operate_on, group):
                if isinstance(results, Exception):
                    _refuse(part, results)
                    continue
                for (_, answer), result in zip(part, results, strict=True):
                    if not answer.done():
                        answer.set_result(result)

    async def _operate_on(self, part: Sequence[_Waiting[T, R]]) -> Sequence[R]:
        results = await self._operate([item for item, _ in part])
        if len(results) != len(part):
            raise ValueError(f"{len(results)} answers for {len(part)} items")
        return results


def _refuse(group: Sequence[_Waiting[T, R]], error: Exception) -> None:
    for _, answer in group:
        if not answer.done():
            answer.set_exception(error)


def _is_uninvited(error: BaseException) -> bool:
    """Whether a library has cancelled what it was asked for, and nobody the one who asked."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling()

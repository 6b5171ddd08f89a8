"""Group commit: one operation in flight, the next takes all that came meanwhile."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from service_chassis.gathering import Gathering

T = TypeVar("T")
R = TypeVar("R")


class Grouped(Generic[T, R]):
    """Turns many single requests into few operations on groups.

    An idle system answers at once, with groups of one; a busy one makes its groups as large as one
    operation is long, and larger ones larger still (`Gathering`).

    Parameters
    ----------
    operate
        Handles a group and returns one answer for each item, in order. What it raises is
        raised to everybody in the group.
    most
        Items in one group at most.
    within
        Longest time of one operation, lest others wait behind one that is stuck: then TimeoutError.
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
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
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
                async with asyncio.timeout(self._within):
                    results = await self._operate([item for item, _ in group])
            except Exception as error:  # noqa: BLE001  it belongs to those who asked
                for _, answer in group:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for (_, answer), result in zip(group, results, strict=True):
                    if not answer.done():
                        answer.set_result(result)

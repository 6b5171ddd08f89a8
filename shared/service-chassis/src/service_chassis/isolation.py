"""One bad item never costs its group: a group that fails is split, until the item that failed it stands alone."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from service_chassis.mongo import is_outage
from service_chassis.publisher import PublishError

T = TypeVar("T")
R = TypeVar("R")


def is_everyones(error: BaseException) -> bool:
    """Whether a server that is away has failed a group, so that no item of it is to blame."""
    return isinstance(error, PublishError) or is_outage(error)


async def isolate(
    operate: Callable[[Sequence[T]], Awaitable[R]], group: Sequence[T]
) -> AsyncIterator[tuple[Sequence[T], R | Exception]]:
    """Yield the parts of a group, each with its answer; an item that fails by itself stands alone with its error.

    One bad item among n costs 2 · log2(n) operations more, so each operation must be safe to repeat.
    An outage is everybody's: it is raised, and what has not been yielded has no answer.
    """
    parts = deque([group])
    while parts:
        part = parts.popleft()
        try:
            answer = await operate(part)
        except Exception as error:
            if is_everyones(error):
                raise
            if len(part) == 1:
                yield part, error
            else:
                half = len(part) // 2
                parts.extendleft((part[half:], part[:half]))
        else:
            yield part, answer


async def apply_apart(
    operate: Callable[[Sequence[T]], Awaitable[object]],
    group: Sequence[T],
    *,
    refused: Callable[[T, Exception], None],
) -> None:
    """Have all of a group handled but for items that fail by themselves, which are told to `refused`."""
    if not group:
        return
    async for part, answer in isolate(operate, group):
        if isinstance(answer, Exception):
            refused(part[0], answer)

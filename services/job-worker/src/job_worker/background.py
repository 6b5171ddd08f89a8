"""Knows to which attempt an asyncio task belongs that a task of ours has started beside itself.

An exit in such a task, `sys.exit()` or a KeyboardInterrupt, is raised out of the event loop: it would end the
worker and every job on it (`service_chassis.enduring` lets the loop go on). Here it is brought home to its attempt.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from job_worker.attempt import Fence

_attempt: ContextVar[Fence | None] = ContextVar("attempt", default=None)

Escaped = Callable[[Fence, BaseException], None]


@contextmanager
def belonging_to(fence: Fence) -> Iterator[None]:
    """Have the asyncio tasks that are started within belong to an attempt."""
    token = _attempt.set(fence)
    try:
        yield
    finally:
        _attempt.reset(token)


def bring_home(loop: asyncio.AbstractEventLoop, escaped: Escaped) -> None:
    """Call `escaped` with what ends an asyncio task of an attempt, unless it is an ordinary error."""

    def start(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **options)
        if (fence := _attempt.get()) is not None:
            task.add_done_callback(partial(_look, fence, escaped))
        return task

    loop.set_task_factory(start)  # type: ignore[arg-type]


def _look(fence: Fence, escaped: Escaped, task: asyncio.Task[Any]) -> None:
    # `exception()` would count as having heard of it: an ordinary error that nobody hears of is logged by asyncio.
    error = task._exception  # noqa: SLF001
    if error is not None and not issubclass(type(error), Exception):
        escaped(fence, error)

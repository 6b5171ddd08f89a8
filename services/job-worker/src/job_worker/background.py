"""Knows to which attempt an asyncio task belongs that a task of ours has started beside itself.

An exit in such a task, `sys.exit()` or a KeyboardInterrupt, is raised out of the event loop: it would end the
worker and every job on it (`service_chassis.enduring` lets the loop go on). Here it is brought home to its attempt.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, Token
from functools import partial
from typing import Any

from job_worker.attempt import Fence

_attempt: ContextVar[Fence | None] = ContextVar("attempt", default=None)

Escaped = Callable[[Fence, BaseException], None]


def begin(fence: Fence) -> Token[Fence | None]:
    """Have the asyncio tasks that are started from here on belong to an attempt, until `end`."""
    return _attempt.set(fence)


def end(token: Token[Fence | None]) -> None:
    """What is started from here on belongs to whom it did before."""
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

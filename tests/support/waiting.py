"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def until(
    look: Callable[[], Coroutine[Any, Any, T]] | Callable[[], T],
    *,
    within: float,
    what: str,
    every: float = 0.05,
) -> T:
    """Look again and again until it gives something true, and return that.

    Parameters
    ----------
    look
        A function or coroutine function. What it raises as AssertionError counts as "not yet" and, at
        the deadline, says what was still wrong.
    within
        Seconds.
    what
        Completes "waited in vain for …".
    """
    deadline = time.monotonic() + within
    while True:
        wrong = ""
        try:
            seen = look()
            value = await seen if inspect.isawaitable(seen) else seen
            if value:
                return value
        except AssertionError as error:
            wrong = f": {error}"
        if time.monotonic() > deadline:
            msg = f"waited {within:g} s in vain for {what}{wrong}"
            raise AssertionError(msg)
        await asyncio.sleep(every)

"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], *, within: float, what: str, every: float = 0.05) -> T:
    """Look again and again until it gives something true, and return that.

    Parameters
    ----------
    look
        An AssertionError it raises counts as "not yet"; at the deadline it says what was still wrong.
    within
        Seconds.
    what
        Completes "waited in vain for …".
    """
    deadline = time.monotonic() + within
    while True:
        wrong = ""
        try:
            if value := await look():
                return value
        except AssertionError as error:
            wrong = f": {error}"
        if time.monotonic() > deadline:
            msg = f"waited {within:g} s in vain for {what}{wrong}"
            raise AssertionError(msg)
        await asyncio.sleep(every)


async def until_true(look: Callable[[], bool], *, within: float, what: str, every: float = 0.05) -> None:
    """Wait as `until` does for what can be seen without asking anybody."""

    async def ask() -> bool:
        return look()

    await until(ask, within=within, what=what, every=every)

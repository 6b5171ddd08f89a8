"""Runs foreign code in a thread that may hang for ever: it keeps no process alive."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from job_worker.tasks.registry import RegistryError, explain

T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Call a function in a thread of its own; whatever it raises comes back as a RegistryError."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        try:
            settle = partial(answer.set_result, function())
        except BaseException as error:  # noqa: BLE001  it belongs to who asked
            settle = partial(answer.set_exception, RegistryError(explain(error)))
        with suppress(RuntimeError):  # The loop may be closed by then.
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=call, name="foreign code", daemon=True).start()
    return answer

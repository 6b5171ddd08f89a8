"""Interrupts foreign code that blocks the event loop while it opens something."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

_LOOK: Final = 0.25


class Unblocker:
    """Raises TimeoutError in what was `watched` and keeps the loop from everything else for too long.

    A coroutine that calls something blocking, such as a client without a time-out, cannot be cancelled. A signal
    ends the call that it waits in. It is sent by a thread, which needs no loop, and only where the loop runs in the
    main thread, to which Python delivers signals.
    """

    def __init__(self, within: timedelta) -> None:
        self._within = within.total_seconds()
        self._watched: set[asyncio.Task[Any] | None] = set()
        self._beat = time.monotonic()
        self._ends = threading.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._before: Any = None

    async def __aenter__(self) -> "Unblocker":
        main = threading.main_thread()
        if threading.current_thread() is main:
            self._before = signal.signal(signal.SIGALRM, self._interrupt)
            self._ticking = asyncio.create_task(self._tick(), name="unblocker")
            threading.Thread(target=self._look, args=(main.ident,), name="unblocker", daemon=True).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        if self._ticking is not None:
            self._ticking.cancel()
            signal.signal(signal.SIGALRM, self._before)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Interrupt what the current task does within this if it blocks the loop."""
        task = asyncio.current_task()
        self._watched.add(task)
        try:
            yield
        finally:
            self._watched.discard(task)

    async def _tick(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(_LOOK)

    def _look(self, main: int) -> None:
        while not self._ends.wait(_LOOK):
            if self._watched and time.monotonic() - self._beat > self._within:
                signal.pthread_kill(main, signal.SIGALRM)
                # Not again at once: it may need a moment, or catch the first.
                self._ends.wait(1)

    def _interrupt(self, *_: object) -> None:
        # Only what is watched: another task that has its turn just now is not to blame.
        if asyncio.current_task() in self._watched:
            raise TimeoutError(f"it has blocked the event loop for {self._within:g} s")

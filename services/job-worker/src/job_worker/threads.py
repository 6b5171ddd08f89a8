"""Runs plain functions in threads that hold up nothing: not the loop, not a slot for ever, not the end of the process.

`concurrent.futures` is not used: it waits for its threads when the interpreter ends, and a
future of its refuses some errors, so that whoever waits for it waits for ever.
"""

import asyncio
import contextlib
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, Final

log = logging.getLogger(__name__)

ABANDONED_AFTER: Final = timedelta(seconds=20)
"""A function that was told to end may take this long: less than the margin after which its job is reaped."""

_AT_THE_END: Final = timedelta(seconds=1)
"""The same when the worker ends."""

_SWITCH: Final = 0.0005
"""Seconds a computing thread keeps the interpreter while the loop waits for it: a tenth of Python's own."""

StopIterationRaised: Final = type(
    "StopIteration", (Exception,), {"__doc__": "A function raised StopIteration, which no coroutine may."}
)


@dataclass(slots=True, eq=False)
class _Call:
    """A function that runs, and who waits for its end."""

    job_id: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop
    ended: asyncio.Future[Any]
    is_over: bool = False
    is_abandoned: bool = False

    def end(self, value: Any, error: BaseException | None) -> None:
        """Tell whoever waits, if somebody still does."""
        if self.ended.done():
            return
        if isinstance(error, StopIteration):
            stand_in = StopIterationRaised(str(error))
            stand_in.__cause__ = error
            error = stand_in
        if error is None:
            self.ended.set_result(value)
        else:
            self.ended.set_exception(error)


class Threads:
    """Daemon threads, started when one is wanted and used again."""

    def __init__(self, *, abandoned_after: timedelta = ABANDONED_AFTER) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._patience = abandoned_after
        self._threads = self._busy = 0
        self._living: Counter[str] = Counter()
        self.abandoned = 0
        """Functions that still run though their attempts are over."""

    @property
    def living(self) -> Mapping[str, int]:
        """Jobs whose functions run, also those that were abandoned: none is started beside itself."""
        return self._living

    def hurry(self) -> None:
        """The worker ends: wait for no function longer than a moment, and let idle threads go."""
        self._patience = min(self._patience, _AT_THE_END)
        for _ in range(self._threads - self._busy):
            self._calls.put(None)

    async def run(self, job_id: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function returns, or raise what it raises.

        A cancel cannot end it. It is waited for a while; then it is abandoned, and its thread replaced.
        """
        loop = asyncio.get_running_loop()
        call = _Call(job_id, function, arguments, loop, loop.create_future())
        self._begin(call)
        try:
            return await call.ended
        except asyncio.CancelledError:
            if call.is_over:
                raise
            call.ended = loop.create_future()
            try:
                await asyncio.wait([call.ended], timeout=self._patience.total_seconds())
            finally:
                if not call.is_over:
                    self._abandon(call)
            if call.is_abandoned:
                raise
            return call.ended.result()

    def _begin(self, call: _Call) -> None:
        if self._busy >= self._threads:
            if not self._threads:
                sys.setswitchinterval(_SWITCH)
            self._threads += 1
            threading.Thread(target=self._serve, name=f"task-{self._threads}", daemon=True).start()
        self._busy += 1
        self._living[call.job_id] += 1
        self._calls.put(call)

    def _abandon(self, call: _Call) -> None:
        log.warning("attempt.abandoned", extra={"job_id": call.job_id, "seconds": self._patience})
        call.is_abandoned = True
        call.ended.cancel()
        self.abandoned += 1

    def _over(self, call: _Call, value: Any, error: BaseException | None) -> None:
        call.is_over = True
        self._busy -= 1
        self._living[call.job_id] -= 1
        if not self._living[call.job_id]:
            del self._living[call.job_id]
        self.abandoned -= call.is_abandoned
        call.end(value, error)

    def _serve(self) -> None:
        """Run functions, in a thread."""
        while (call := self._calls.get()) is not None:
            value, error = None, None
            try:
                value = call.function(*call.arguments)
            except BaseException as raised:  # noqa: BLE001  whatever it is, it is the end of this function alone
                error = raised
            # The loop is closed when the process ends.
            with contextlib.suppress(RuntimeError):
                call.loop.call_soon_threadsafe(self._over, call, value, error)
            del call, value, error

"""Keeps calls from an upstream that is down, for all workers at once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from job_worker.upstream.circuit import Circuit, Patience
from job_worker.upstream.shared import Shared

_FRESH: Final = timedelta(seconds=1)
"""As long a worker believes what it has read: others may have opened the circuit meanwhile."""
_SPREAD: Final = 0.5


class Breaker:
    """The circuit of one upstream, as one worker sees it.

    While all is well it costs one reading a second, and nothing is written.

    Parameters
    ----------
    clock
        Monotonic seconds.
    draw
        Gives a number from 0 to 1: those who were sent away do not come back together.
    """

    def __init__(
        self,
        circuit: Shared[Circuit],
        *,
        patience: Patience,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._circuit, self._patience = circuit, patience
        self._clock, self._draw = clock, draw
        self._seen = Circuit()
        self._seen_at = -_FRESH.total_seconds()

    async def enter(self, token: str) -> timedelta | None:
        """Return None if a call may be made, which is then known by this token; else for how long none may."""
        if self._clock() - self._seen_at >= _FRESH.total_seconds():
            self._note(await self._circuit.read())
        if self._seen.opened is None:
            return None
        wait: timedelta | None = await self._circuit.change(partial(self._enter, token=token))
        return None if wait is None else wait + wait * _SPREAD * self._draw()

    async def leave(self, token: str) -> None:
        """Say that the call was not made, or proved nothing."""
        if self._seen.opened is not None:
            await self._circuit.change(lambda circuit, _: (circuit.leave(token), None))

    async def succeeded(self, token: str) -> bool:
        """Say that the upstream has answered, whatever; true if the circuit is closed by it."""
        if self._seen.opened is None and not self._seen.doubtful:
            return False
        before, after = await self._circuit.change(partial(self._succeeded, token=token))
        self._note(after)
        return before.opened is not None and after.opened is None

    async def failed(self, token: str, reason: str) -> tuple[timedelta | None, bool]:
        """Say that the call failed as another may not.

        Return for how long no call may be made now, and whether this call has opened the circuit.
        """
        before, after, now = await self._circuit.change(partial(self._failed, token=token, reason=reason))
        self._note(after)
        if after.opened is None:
            return None, False
        wait = max(after.opened.probe_at - now, timedelta(seconds=1))
        return wait + wait * _SPREAD * self._draw(), before.opened is None

    def _note(self, circuit: Circuit) -> None:
        self._seen, self._seen_at = circuit, self._clock()

    def _enter(self, circuit: Circuit, now: datetime, *, token: str) -> tuple[Circuit, timedelta | None]:
        return circuit.enter(token, now=now, patience=self._patience)

    def _succeeded(
        self, circuit: Circuit, now: datetime, *, token: str
    ) -> tuple[Circuit, tuple[Circuit, Circuit]]:
        after = circuit.succeeded(token, now=now, patience=self._patience)
        return after, (circuit, after)

    def _failed(
        self, circuit: Circuit, now: datetime, *, token: str, reason: str
    ) -> tuple[Circuit, tuple[Circuit, Circuit, datetime]]:
        after = circuit.failed(token, reason, now=now, patience=self._patience)
        return after, (circuit, after, now)

"""The server's time as near as its answers tell it, and never ahead of it."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_DRIFT: Final = 1e-4
"""Seconds by which two clocks may part in a second; those of computers keep within a tenth of that."""

_STEP: Final = 0.001
"""MongoDB tells whole milliseconds."""


class ServerClock:
    """Runs on this machine's steady clock, so a jump of its wall clock does not move it.

    An answer was true at some time while it took: taken for the moment at which it came, it is late by
    as much at most, and never ahead, or a job would seem to start before it was submitted. The answer
    that came fastest stands, until what the clocks may have parted since then makes another one better.
    An answer that contradicts it tells of a server whose clock was set, or of another server.

    Parameters
    ----------
    wall, steady
        Seconds since 1970, until the server has told the time; seconds since whenever.
    """

    def __init__(
        self, *, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._steady = steady
        self._read_at = steady()
        self._offset = wall() - self._read_at
        self._doubt = math.inf

    def now(self) -> datetime:
        """Return the time of the server, or one that has just been."""
        return datetime.fromtimestamp(self._steady() + self._offset, UTC)

    def heard(self, told: datetime, *, asked: float, answered: float) -> None:
        """Take an answer into account: what it said, and the steady clock's seconds before and after."""
        offset = told.timestamp() - answered
        doubt = answered - asked + _STEP
        parted = _DRIFT * (answered - self._read_at)
        is_possible = -(doubt + parted) <= offset - self._offset <= self._doubt + parted
        if doubt <= self._doubt + parted or not is_possible:
            self._offset, self._doubt, self._read_at = offset, doubt, answered

"""The server's time as near as its answers tell it."""

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

    An answer is wrong by up to half the time it took: on a busy machine by so much that a job
    seems to start before it was submitted. So the answer that came fastest stands, until what
    the clocks may have parted since then makes another one better. An answer that contradicts
    it tells of a server whose clock was set, or of another server.

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
        """Return the time of the server."""
        return datetime.fromtimestamp(self._steady() + self._offset, UTC)

    def heard(self, told: datetime, *, asked: float, answered: float) -> None:
        """Take an answer into account: what it said, and the steady clock's seconds before and after."""
        offset = told.timestamp() - (asked + answered) / 2
        doubt = (answered - asked) / 2 + _STEP
        known = self._doubt + _DRIFT * (answered - self._read_at)
        if doubt <= known or abs(offset - self._offset) > doubt + known:
            self._offset, self._doubt, self._read_at = offset, doubt, answered

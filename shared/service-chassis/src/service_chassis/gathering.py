"""Lets work gather before it is taken as a group: not at all while little comes, longer the more does."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

EACH: Final = timedelta(milliseconds=0.5)
MOST: Final = timedelta(milliseconds=20)
"""What suits operations of a few milliseconds: a small group has gathered before the one before it is done."""


class Gathering:
    """The pause between one group and the next.

    A group has a price of its own: round trips, a flush of the journal, requests to Kafka. So whoever is busy
    does best to take more at a time, and whoever is not waits for nothing: each item of a group makes the next
    one wait a little, so it is the rate that decides (docs/adr/0015-groups-gather.md).

    Parameters
    ----------
    each
        What one item makes the next group wait.
    most
        Longest pause.
    """

    def __init__(
        self, *, each: timedelta = EACH, most: timedelta = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._each, self._most, self._clock = each.total_seconds(), most.total_seconds(), clock
        self._until = 0.0

    def took(self, count: int) -> None:
        """So many items are being taken now."""
        self._until = self._clock() + min(self._most, count * self._each)

    @property
    def left(self) -> float:
        """Seconds for which the next group should still gather."""
        return max(0.0, self._until - self._clock())

    async def wait(self) -> None:
        """Wait until it is time for the next group."""
        if (left := self.left) > 0:
            await asyncio.sleep(left)

"""What the replica found in the records before, or instead of, hearing of it: part of what a returning reader missed.

A repaired event is old news to the hub when the bus brings it at last, so a reader who came
in between would never get it if it were not kept here.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from api.live_event import LiveEvent

_MOST: Final = 1_000
_KEPT: Final = timedelta(minutes=5)


class Repairs:
    """Events that stand in no ring, the newest of each job, for as long as a ring would keep them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: OrderedDict[str, tuple[float, LiveEvent]] = OrderedDict()

    def add(self, event: LiveEvent) -> None:
        """Keep what was found."""
        self._events.pop(event.job_id, None)
        self._events[event.job_id] = (self._clock(), event)
        if len(self._events) > _MOST:
            self._events.popitem(last=False)

    def heard(self, event: LiveEvent) -> None:
        """The bus has brought an event: from now on the ring has it."""
        if self._events and (kept := self._events.get(event.job_id)) and kept[1].moment <= event.moment:
            del self._events[event.job_id]

    def all(self) -> list[LiveEvent] | None:
        """Return all there are; None if there were more than are kept."""
        oldest = self._clock() - _KEPT.total_seconds()
        while self._events and next(iter(self._events.values()))[0] < oldest:
            self._events.popitem(last=False)
        return None if len(self._events) >= _MOST else [event for _, event in self._events.values()]

"""How to wait between tries: exponential with full jitter."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential back-off with full jitter: at most 1, 2, 4, 8 … s, never over `cap`.

    Full jitter spreads a crowd that failed together
    (AWS Architecture Blog, "Exponential Backoff And Jitter").

    >>> Backoff().ceiling(3)
    datetime.timedelta(seconds=4)
    >>> Backoff().ceiling(60)
    datetime.timedelta(seconds=60)
    """

    first: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=1)

    def ceiling(self, failures: int) -> timedelta:
        """Return the longest wait after that many failures, from 1."""
        return min(self.cap, self.first * (1 << min(max(failures, 1) - 1, 32)))

    def wait(self, failures: int, draw: Callable[[], float] = random.random) -> timedelta:
        """Return the wait after that many failures; `draw` gives a number from 0 to 1."""
        return self.ceiling(failures) * draw()

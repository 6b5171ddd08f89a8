"""How long to wait for a quota that starts anew each hour."""

from datetime import datetime, timedelta
from random import Random
from typing import Final

_LEAST: Final = timedelta(minutes=1)
_SPREAD: Final = timedelta(minutes=1)


def until_next_hour(now: datetime, random: Random) -> timedelta:
    """Return the wait until a quota per hour starts anew, with some jitter, at least a minute.

    The jitter only adds: before the hour nothing is to be had.

    >>> str(until_next_hour(datetime.fromisoformat("2026-01-01T12:40Z"), Random(1)))[:6]
    '0:20:0'
    """
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return max(_LEAST, hour - now + _SPREAD * random.random())

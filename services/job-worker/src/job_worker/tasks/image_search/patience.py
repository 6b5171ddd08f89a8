"""How long to wait for an upstream that says "not now"."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

_LEAST: Final = timedelta(minutes=1)
_MOST: Final = timedelta(days=1)
_SPREAD: Final = timedelta(minutes=1)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return the wait that `Retry-After` asks for, at most a day; None if it says nothing of use.

    It may be seconds or a date (RFC 9110, 10.2.3).

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> str(retry_after({"retry-after": "90"}, noon))
    '0:01:30'
    >>> str(retry_after({"retry-after": "Thu, 01 Jan 2026 12:05:00 GMT"}, noon))
    '0:05:00'
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:9]), _MOST.total_seconds()))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(seconds=1)), _MOST)


def until_next_hour(now: datetime, random: Random) -> timedelta:
    """Return the wait until a quota per hour starts anew, with some jitter, at least a minute.

    The jitter only adds: before the hour nothing is to be had.

    >>> str(until_next_hour(datetime(2026, 1, 1, 12, 40, tzinfo=UTC), Random(1)))[:6]
    '0:20:0'
    """
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return max(_LEAST, hour - now + _SPREAD * random.random())

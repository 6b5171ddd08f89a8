"""How long an upstream asks to be left alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_MOST: Final = timedelta(days=1)
_LONGEST: Final = 100
"""Characters of a date."""


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
            moment = parsedate_to_datetime(text[:_LONGEST])
            wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
        except (ArithmeticError, LookupError, TypeError, ValueError):
            # Years and offsets beyond all calendars end in any of these.
            return None
    return min(max(wait, timedelta(seconds=1)), _MOST)

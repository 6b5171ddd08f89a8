"""Moments that callers name: in UTC, or refused."""

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; `ValueError` if it lies beyond the years 1 to 9999 there.

    >>> in_utc(datetime.fromisoformat("2026-01-01T00:00:00+14:00"))
    datetime.datetime(2025, 12, 31, 10, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not within the years 1 to 9999 of UTC") from None

"""How many ended lately, by the minutes."""

from datetime import UTC, datetime, timedelta

import pytest

from api.throughput import MinuteView, Spans, ended_lately

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
NONE = Spans(None, None)


def a_minute(ago: int, finished: int, failed: int = 0, task: str = "a") -> MinuteView:
    at = NOON - timedelta(minutes=ago)
    return MinuteView(minute=at, task=task, finished=finished, failed=failed, wait=NONE, run=NONE)


@pytest.mark.parametrize(("seconds", "expected"), [(0, 66), (15, 51), (30, 36), (59.9, 6)])
def test_the_minute_before_counts_by_what_of_it_lies_within_the_last_sixty_seconds(
    seconds: float, expected: int
) -> None:
    minutes = [a_minute(2, 500), a_minute(1, 40, 10), a_minute(1, 10, task="b"), a_minute(0, 5, 1)]
    assert ended_lately(minutes, NOON + timedelta(seconds=seconds)) == expected


def test_nothing_ended_when_nothing_was_counted() -> None:
    assert ended_lately([], NOON) == 0

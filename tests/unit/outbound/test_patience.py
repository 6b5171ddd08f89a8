"""How long an upstream asks to be left alone, whatever it writes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from job_worker.outbound import retry_after

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.text(max_size=200) | st.from_regex(r"[A-Z][a-z]{2}, -?\d{1,9} [A-Z][a-z]{2} \d{1,30} .{0,20}"))
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
@example("Mon, 01 Jan 9999 23:59:59 -2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 2026 00:00:00 +99999999999999")
@example("Mon, 01 Jan 2026 99999999999999999999:00:00 GMT")
@example("١٢٣")
@example("²")
@example("-1")
@example("9" * 5_001)
@example("1e400")
@example("")
def test_whatever_it_says_the_wait_is_none_or_at_most_a_day(text: str) -> None:
    wait = retry_after({"retry-after": text}, NOW)
    assert wait is None or timedelta(seconds=1) <= wait <= timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 1), ("90", 90), ("999999999999", 86_400), ("Sun, 01 Mar 2026 00:01:00 GMT", 60)],
)
def test_what_is_well_formed_is_understood(text: str, seconds: int) -> None:
    assert retry_after({"retry-after": text}, NOW) == timedelta(seconds=seconds)

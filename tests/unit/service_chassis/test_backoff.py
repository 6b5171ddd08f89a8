"""Waits between tries."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from service_chassis.backoff import Backoff


@given(failures=st.integers(-5, 10_000), draw=st.floats(0, 1))
def test_a_wait_is_never_negative_and_never_over_the_cap(failures: int, draw: float) -> None:
    backoff = Backoff(first=timedelta(seconds=1), cap=timedelta(seconds=30))
    assert timedelta(0) <= backoff.wait(failures, lambda: draw) <= timedelta(seconds=30)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(first=timedelta(seconds=1), cap=timedelta(seconds=10))
    assert [backoff.ceiling(n).total_seconds() for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]

"""The server's time by answers that take their time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chassis.server_clock import ServerClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Rig:
    """A server whose clock shows noon when ours has run for no time, and a clock that listens to it."""

    def __init__(self) -> None:
        self.seconds, self.set_by = 0.0, 0.0
        self.clock = ServerClock(wall=lambda: 0.0, steady=lambda: self.seconds)

    @property
    def truth(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds + self.set_by)

    def ask(self, *, there: float, back: float) -> None:
        asked = self.seconds
        self.seconds += there
        told = self.truth
        self.seconds += back
        self.clock.heard(told, asked=asked, answered=self.seconds)

    @property
    def late(self) -> float:
        return (self.truth - self.clock.now()).total_seconds()


def test_before_the_server_has_told_it_is_the_time_of_this_machine() -> None:
    assert ServerClock(wall=lambda: 5.0, steady=lambda: 9.0).now() == datetime.fromtimestamp(5, UTC)


def test_the_fastest_answer_stands() -> None:
    rig = Rig()
    rig.ask(there=0.0, back=0.4)
    assert rig.late == pytest.approx(0.4)
    rig.ask(there=0.001, back=0.001)
    assert 0 <= rig.late < 0.002
    for _ in range(10):
        rig.seconds += 2
        rig.ask(there=0.0, back=0.3)
    assert 0 <= rig.late < 0.002


def test_after_a_while_a_slower_answer_is_better_than_an_old_one() -> None:
    rig = Rig()
    rig.ask(there=0.001, back=0.001)
    rig.set_by = 0.05  # too little to be told from what the clocks may have parted
    rig.seconds += 1_000
    rig.ask(there=0.06, back=0.02)
    assert rig.late == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("by", [-3_600, -1, 1, 3_600])
def test_a_server_whose_clock_was_set_is_believed_at_once(by: float) -> None:
    rig = Rig()
    rig.ask(there=0.001, back=0.001)
    rig.set_by = by
    rig.ask(there=0.2, back=0.2)
    assert rig.late == pytest.approx(0.2, abs=0.001)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2), st.floats(0, 60)), min_size=1))
def test_it_is_never_ahead_and_no_later_than_its_best_answer_may_be(
    ways: list[tuple[float, float, float]],
) -> None:
    rig, doubts = Rig(), list[float]()
    for there, back, pause in ways:
        rig.seconds += pause
        rig.ask(there=there, back=back)
        doubts.append(there + back)
        assert -1e-5 <= rig.late <= min(doubt + 1e-4 * 64 * len(ways) for doubt in doubts) + 0.002

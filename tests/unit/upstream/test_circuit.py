"""When an upstream is left alone, and who tries whether it is well again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from job_worker.upstream.circuit import Circuit, Patience
from job_worker.upstream.documents import circuit_document, circuit_from

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PATIENCE = Patience()


class Play:
    """A circuit, and a clock that the test moves."""

    def __init__(self) -> None:
        self.circuit, self.now = Circuit(), START

    def enter(self, token: str = "t") -> timedelta | None:
        self.circuit, wait = self.circuit.enter(token, now=self.now, patience=PATIENCE)
        self._stored()
        return wait

    def failed(self, token: str = "t") -> None:
        self.circuit = self.circuit.failed(token, "it is down", now=self.now, patience=PATIENCE)
        self._stored()

    def succeeded(self, token: str = "t") -> None:
        self.circuit = self.circuit.succeeded(token, now=self.now, patience=PATIENCE)
        self._stored()

    def opened(self) -> "Play":
        for _ in range(PATIENCE.failures):
            self.failed()
        assert self.circuit.opened is not None
        return self

    def _stored(self) -> None:
        assert circuit_from(circuit_document(self.circuit)) == self.circuit


def test_a_run_of_failures_opens_it_for_everybody() -> None:
    play = Play()
    for _ in range(PATIENCE.failures - 1):
        play.failed()
        assert play.enter() is None
    play.failed()
    assert play.enter() == PATIENCE.probe_after


def test_failures_long_ago_do_not_count() -> None:
    play = Play()
    for _ in range(2 * PATIENCE.failures):
        play.failed()
        play.now += PATIENCE.within / (PATIENCE.failures - 1)
    assert play.enter() is None


def test_failures_among_many_that_go_well_do_not_open_it() -> None:
    play = Play()
    for _ in range(20):
        play.failed()
        play.succeeded()
        play.succeeded()
    assert play.enter() is None


def test_what_went_well_while_all_is_well_is_not_worth_a_writing() -> None:
    play = Play()
    play.succeeded()
    assert play.circuit == Circuit()
    play.failed()
    play.now += 2 * PATIENCE.within
    play.succeeded()
    assert play.circuit == Circuit()


def test_one_probe_at_a_time_and_its_success_closes_it() -> None:
    play = Play().opened()
    play.now += PATIENCE.probe_after
    assert play.enter("probe") is None
    assert play.enter("other") is not None
    play.succeeded("other")
    assert play.circuit.opened is not None, "who was under way before proves little"
    play.succeeded("probe")
    assert play.enter("other") is None


def test_probes_that_fail_come_later_and_later_up_to_a_cap() -> None:
    play = Play().opened()
    waits = []
    for n in range(8):
        wait = play.enter(f"p{n}")
        assert wait is not None
        play.now += wait
        assert play.enter(f"p{n}") is None
        play.failed(f"p{n}")
        waits.append(wait / SECOND)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_probe_that_dies_makes_way_for_another() -> None:
    play = Play().opened()
    play.now += PATIENCE.probe_after
    assert play.enter("killed") is None
    play.now += PATIENCE.probe_for
    assert play.enter("next") is None


def test_a_probe_that_was_not_made_leaves_its_turn_to_the_next() -> None:
    play = Play().opened()
    play.now += PATIENCE.probe_after
    assert play.enter("no token") is None
    play.circuit = play.circuit.leave("no token")
    assert play.enter("next") is None


@given(st.lists(st.tuples(st.sampled_from("efsl"), st.integers(0, 3), st.integers(0, 20)), max_size=60))
def test_there_are_never_two_probes(steps: list[tuple[str, int, int]]) -> None:
    play = Play().opened()
    probing: dict[str, datetime] = {}
    for what, number, wait in steps:
        play.now += wait * SECOND
        token = f"t{number}"
        probing = {t: until for t, until in probing.items() if until > play.now}
        if what == "e" and play.circuit.opened is not None and play.enter(token) is None:
            assert not probing
            probing[token] = play.now + PATIENCE.probe_for
        elif what == "f":
            play.failed(token)
            probing.pop(token, None)
        elif what == "s":
            play.succeeded(token)
            probing.pop(token, None)
        elif what == "l":
            play.circuit = play.circuit.leave(token)
            probing.pop(token, None)
        if play.circuit.opened is None:
            play, probing = Play().opened(), {}

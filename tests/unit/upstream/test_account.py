"""The account of a quota: no window holds more than its limit, whoever asks, fails or dies."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_worker.upstream.account import COMES_WITHIN, PLACES, Account, Granted, Wait
from job_worker.upstream.documents import account_document, account_from
from job_worker.upstream.uses import EXACT, Key, Rate

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FLIGHT = timedelta(seconds=3)


class Play:
    """An account, and a clock that the test moves."""

    def __init__(self, *rates: Rate, keys: int = 1) -> None:
        self.rates = rates or (Rate(3, MINUTE),)
        self.account = Account(rates=self.rates, keys=tuple(Key(f"k{n}") for n in range(keys)))
        self.now, self.tokens = START, 0

    def ask(self, job: str, owner: str = "one", *, reserve: bool = True) -> Granted | Wait:
        self.tokens += 1
        self.account, answer = self.account.ask(
            job=job,
            owner=owner,
            now=self.now,
            flight=FLIGHT,
            token=f"t{self.tokens}",
            reserve=reserve,
        )
        if self.tokens <= 100:
            # What is stored in between is all that the next worker knows.
            stored = account_document(self.account)
            keys = [key.name for key in self.account.keys]
            assert account_from(stored, rates=self.rates, keys=keys) == self.account
        return answer

    def call(self, job: str, owner: str = "one", **options: Any) -> Granted:
        answer = self.ask(job, owner)
        assert isinstance(answer, Granted), answer
        self.settle(answer, **options)
        return answer

    def wait(self, job: str, owner: str = "one", *, reserve: bool = True) -> timedelta:
        answer = self.ask(job, owner, reserve=reserve)
        assert isinstance(answer, Wait), answer
        return answer.wait

    def settle(self, grant: Granted, *, remaining: int | None = None) -> None:
        self.account = self.account.settle(grant.key, grant.token, remaining=remaining, now=self.now)

    def after(self, wait: timedelta) -> None:
        self.now += wait


def test_within_the_quota_nobody_waits_and_beyond_it_until_the_first_use_leaves_the_window() -> None:
    play = Play()
    for n in range(3):
        play.call(f"j{n}")
        play.after(timedelta(seconds=5))
    wait = play.wait("j3")
    assert timedelta(seconds=45) <= wait <= timedelta(seconds=45.1)
    play.after(wait)
    play.call("j3")


def test_a_call_that_is_never_heard_of_counts_until_its_timeout_would_have_ended_it() -> None:
    play = Play(Rate(1, MINUTE))
    assert isinstance(play.ask("killed"), Granted)
    play.after(MINUTE + FLIGHT - timedelta(milliseconds=1))
    assert isinstance(play.ask("next"), Wait), "its worker may have sent it at the last moment"
    play.after(timedelta(milliseconds=1))
    assert isinstance(play.ask("next"), Granted)


def test_jobs_that_wait_have_the_moments_at_which_their_tokens_come() -> None:
    play = Play()
    for n in range(3):
        play.call(f"first{n}")
    waits = [play.wait(f"w{n}") for n in range(7)]
    assert [round(wait / MINUTE) for wait in waits] == [1, 1, 1, 2, 2, 2, 3]


def test_nobody_overtakes_a_job_whose_moment_has_come() -> None:
    play = Play(Rate(1, MINUTE))
    play.call("first")
    play.after(play.wait("waits"))
    play.wait("newcomer")
    play.call("waits")


def test_a_newcomer_takes_what_the_dead_have_left() -> None:
    play = Play(Rate(1, MINUTE))
    play.call("first")
    play.after(play.wait("cancelled"))
    wait = play.wait("newcomer")
    assert wait <= COMES_WITHIN, "the place of a job that does not come lapses"
    play.after(wait)
    play.call("newcomer")
    assert play.account.queue == ()


def test_a_place_that_lapsed_is_no_harm_to_the_job_that_comes_late() -> None:
    play = Play(Rate(1, MINUTE))
    play.call("first")
    play.after(play.wait("late") + 10 * COMES_WITHIN)
    play.call("late")


def test_an_owner_with_five_hundred_waiting_jobs_does_not_hold_up_another_one() -> None:
    play = Play(Rate(50, MINUTE))
    for n in range(550):
        play.ask(f"a{n:03d}", "busy")
    assert play.wait("b0", "quiet") < 1.2 * MINUTE, "in the very next window"
    order = [place.owner for place in play.account.queue][:3]
    assert "quiet" in order


def test_owners_take_turns_and_inside_one_it_is_first_come_first_served() -> None:
    play = Play(Rate(2, MINUTE))
    play.call("x", "x")
    play.call("y", "y")
    for n in range(4):
        play.wait(f"a{n}", "a")
    for n in range(4):
        play.wait(f"b{n}", "b")
    served: list[str] = []
    for _ in range(20):
        play.after(timedelta(seconds=30.5))
        for place in play.account.queue:
            if place.due <= play.now and isinstance(grant := play.ask(place.job, place.owner), Granted):
                play.settle(grant)
                served.append(place.job)
    assert served == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]


def test_no_place_is_kept_for_a_job_that_has_an_old_answer() -> None:
    play = Play(Rate(1, MINUTE))
    play.call("first")
    play.wait("has an old one", reserve=False)
    assert play.account.queue == ()


def test_places_are_bounded_and_the_last_ones_yield_to_an_owner_whose_turn_is_sooner() -> None:
    play = Play(Rate(1, MINUTE))
    play.call("first")
    for n in range(PLACES + 5):
        play.wait(f"a{n:04d}", "busy")
    assert len(play.account.queue) == PLACES
    play.wait("b0", "quiet")
    assert len(play.account.queue) == PLACES
    assert any(place.job == "b0" for place in play.account.queue)


def test_what_the_upstream_says_to_be_left_takes_away_and_never_gives() -> None:
    play = Play(Rate(10, MINUTE))
    play.call("j0", remaining=4)
    assert play.account.keys[0].left(play.rates, play.now) == 4, "somebody else uses the key as well"
    play.call("j1", remaining=9)
    assert play.account.keys[0].left(play.rates, play.now) == 3


def test_a_key_that_the_upstream_blocks_waits_and_others_are_used() -> None:
    play = Play(Rate(5, MINUTE), keys=2)
    first = play.call("j0")
    play.account = play.account.block(first.key, play.now + 5 * MINUTE)
    for n in range(5):
        assert play.call(f"k{n}").key != first.key
    assert play.wait("j9") < 2 * MINUTE


def test_keys_are_pooled_evenly() -> None:
    play = Play(Rate(2, MINUTE), keys=3)
    assert sorted(play.call(f"j{n}").key for n in range(6)) == ["k0", "k0", "k1", "k1", "k2", "k2"]
    play.wait("one too many")


def test_several_rates_hold_at_once() -> None:
    play = Play(Rate(2, timedelta(seconds=1)), Rate(3, MINUTE))
    play.call("j0")
    play.call("j1")
    assert play.wait("j2") < timedelta(seconds=2)
    play.after(timedelta(seconds=1.1))
    play.call("j2")
    assert play.wait("j3") > timedelta(seconds=55)


def test_uses_of_keys_that_only_other_workers_know_are_kept_for_them() -> None:
    old, new = Play(), Play()
    old.call("j0")
    stored = account_document(old.account)
    seen = account_from(stored, rates=new.rates, keys=["new"])
    back = account_from(account_document(seen), rates=old.rates, keys=["k0"])
    assert back.keys == old.account.keys


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "settle", "late", "lose", "remaining"]),
        st.integers(0, 9),
        st.integers(0, 4_000),
    ),
    max_size=80,
)


@given(EVENTS, st.integers(1, 4))
def test_no_window_of_the_upstream_ever_holds_more_than_the_limit(
    events: list[tuple[str, int, int]], limit: int
) -> None:
    """Calls arrive at any time until they end, some end nowhere; the upstream's log is the judge."""
    window = timedelta(seconds=6)
    play = Play(Rate(limit, window), keys=2)
    under_way: list[tuple[Granted, datetime]] = []
    arrived: list[tuple[str, datetime]] = []
    for what, job, wait in events:
        play.after(timedelta(milliseconds=wait))
        # Whoever is not heard of has timed out: it came at the last moment.
        for grant, at in [pair for pair in under_way if pair[1] + FLIGHT <= play.now]:
            under_way.remove((grant, at))
            arrived.append((grant.key, at + FLIGHT))
        if what == "ask" or not under_way:
            if isinstance(answer := play.ask(f"j{job}", f"o{job % 3}"), Granted):
                under_way.append((answer, play.now))
        elif what != "lose":
            grant, _ = under_way.pop(job % len(under_way))
            arrived.append((grant.key, play.now))
            play.settle(grant, remaining=job if what == "remaining" else None)
    arrived += [(grant.key, at + FLIGHT) for grant, at in under_way]
    for key in ("k0", "k1"):
        times = sorted(at for name, at in arrived if name == key)
        for first, last in zip(times, times[limit:], strict=False):
            assert last - first >= window


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=30), st.integers(1, 3))
def test_everybody_is_served_who_comes_when_it_was_told(waits: list[int], limit: int) -> None:
    """No starvation: jobs that come back at their moments are all served, within the windows they need."""
    play = Play(Rate(limit, timedelta(seconds=5)))
    back: dict[str, datetime] = {f"j{n:02d}": START + timedelta(milliseconds=w) for n, w in enumerate(waits)}
    rounds = 0
    while back:
        rounds += 1
        assert rounds < 20 * (len(waits) + 1)
        job = min(back, key=lambda name: (back[name], name))
        play.now = max(play.now, back[job])
        answer = play.ask(job, f"o{int(job[1:]) % 4}")
        if isinstance(answer, Granted):
            play.settle(answer)
            del back[job]
        else:
            back[job] = play.now + answer.wait
    needed = -(-len(waits) // limit)
    assert play.now - START <= timedelta(seconds=3) + (needed + 1) * timedelta(seconds=6)


def test_the_account_stays_small() -> None:
    play = Play(Rate(5, MINUTE))
    for n in range(500):
        play.ask(f"j{n}", reserve=False)
        play.after(timedelta(seconds=20))
    (key,) = play.account.keys
    assert len(key.uses) <= 5
    assert replace(key, uses=()) == Key("k0")


def busy(play: Play, *, windows: int, latency: timedelta, lost: float, step: timedelta) -> list[datetime]:
    """Ask at every step, of which some are never heard of; return when calls reached the upstream."""
    draw = Random(7)
    under_way: deque[tuple[Granted, datetime]] = deque()
    arrived: list[datetime] = []
    end = play.now + windows * play.rates[0].window
    while play.now < end:
        while under_way and under_way[0][1] <= play.now:
            grant, _ = under_way.popleft()
            arrived.append(play.now)
            play.settle(grant)
        if isinstance(answer := play.ask(f"j{play.tokens}", reserve=False), Granted):
            if draw.random() < lost:
                arrived.append(play.now + FLIGHT)
            else:
                under_way.append((answer, play.now + latency))
        play.after(step)
    return sorted(arrived)


@pytest.mark.parametrize("lost", [0, 0.1])
@pytest.mark.parametrize("limit", [EXACT, EXACT + 1, 2 * EXACT])
def test_a_large_quota_is_never_overdrawn_and_at_least_99_percent_of_it_is_used(
    limit: int, lost: float
) -> None:
    window = timedelta(seconds=60)
    play = Play(Rate(limit, window))
    latency = timedelta(milliseconds=700)
    arrived = busy(play, windows=3, latency=latency, lost=lost, step=window / limit / 1.5)
    for first, last in zip(arrived, arrived[limit:], strict=False):
        assert last - first >= window
    if not lost:
        turn = window + latency + timedelta(milliseconds=100)
        assert len(arrived) >= 0.99 * limit * (3 * window / turn - 1)


def test_a_large_account_stays_as_small_as_a_window_has_cells() -> None:
    play = Play(Rate(1_000_000, MINUTE))
    grants: deque[Granted] = deque()
    for n in range(1_500):
        if isinstance(answer := play.ask(f"j{n}"), Granted):
            grants.append(answer)
        if len(grants) > 100:
            play.settle(grants.popleft(), remaining=900_000)
        play.after(timedelta(milliseconds=80))
    assert max(len(key.uses) for key in play.account.keys) < 2 * EXACT
    assert sum(use.calls for use in play.account.keys[0].uses) >= 750, "two minutes have gone, one counts"


def test_a_short_rate_stays_exact_beside_a_large_one() -> None:
    play = Play(Rate(3, timedelta(seconds=1)), Rate(5_000, timedelta(days=1)))
    calls = []
    for n in range(200):
        if isinstance(answer := play.ask(f"j{n}", reserve=False), Granted):
            play.settle(answer)
            calls.append(play.now)
        play.after(timedelta(milliseconds=101))
    assert all(b - a > timedelta(seconds=1) for a, b in zip(calls, calls[3:], strict=False))
    assert len(calls) >= 50, "ten asks a second, three of them granted"


def test_a_key_that_no_worker_uses_any_more_is_forgotten() -> None:
    old, new = Play(), Play()
    old.call("j0")
    new.account = account_from(account_document(old.account), rates=new.rates, keys=["new"])
    new.call("j1")
    assert [key.name for key in new.account.foreign] == ["k0"]
    new.after(timedelta(days=4))
    new.call("j2")
    assert new.account.foreign == ()

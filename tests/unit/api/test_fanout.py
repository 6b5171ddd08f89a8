"""Who gets which event, and what a slow reader gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.fanout import Filters, Hub, Mailbox
from api.live_event import LiveEvent
from tests.unit.api.events import JOB, change, progress


def _moments(events: list[LiveEvent]) -> list[tuple[str, int, int]]:
    return [(event.name, *event.moment) for event in events]


def test_a_slow_reader_gets_the_newest_state_of_each_job_alone() -> None:
    box = Mailbox(room=10)
    for event in (change(1, 1, "pending"), change(2, 1, "pending"), change(1, 2), change(1, 3, "succeeded")):
        box.put(event)
    assert [(e.job_id, e.moment) for e in box.take()] == [(JOB.format(1), (3, 0)), (JOB.format(2), (1, 0))]
    assert box.is_empty


def test_progress_takes_no_state_away() -> None:
    box = Mailbox(room=10)
    box.put(change(1, 2))
    box.put(progress(1, 2, 1))
    box.put(progress(1, 2, 2))
    assert _moments(box.take()) == [("job", 2, 0), ("progress", 2, 2)]


def test_a_state_that_comes_after_its_progress_is_sent_before_it() -> None:
    box = Mailbox(room=10)
    box.put(progress(1, 2, 2))
    box.put(change(1, 2))
    assert _moments(box.take()) == [("job", 2, 0), ("progress", 2, 2)]


def test_progress_of_an_attempt_that_is_over_is_dropped() -> None:
    box = Mailbox(room=10)
    box.put(progress(1, 2, 2))
    box.put(change(1, 3, "succeeded"))
    box.put(progress(1, 2, 3))
    assert _moments(box.take()) == [("job", 3, 0)]


def test_a_reader_that_falls_too_far_behind_is_told_to_read_anew() -> None:
    box = Mailbox(room=2)
    for number in range(3):
        box.put(change(number, 1))
    assert box.take_missed() == "too slow"
    assert box.take_missed() == ""
    assert box.take() == []


def test_what_a_reader_has_seen_is_not_sent_again() -> None:
    box = Mailbox(room=2)
    box.put(change(1, 2))
    box.skip_until((2, 1))
    assert box.is_empty
    box.put(change(1, 3, "succeeded"))
    assert _moments(box.take()) == [("job", 3, 0)]
    box.skip_until((3, 0))
    box.put(change(1, 3, "succeeded"))
    assert box.is_empty


_EVENTS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(0, 3), st.booleans()), max_size=40
)


@given(_EVENTS, st.integers(0, 40))
def test_whatever_comes_in_whatever_order_the_newest_of_each_job_gets_through(
    events: list[tuple[int, int, int, bool]], read_at: int
) -> None:
    hub, box = Hub(), Mailbox(room=100)
    hub.follow("default", Filters(), box)
    sent: list[LiveEvent] = []
    newest: dict[str, tuple[int, int]] = {}
    for i, (number, version, revision, is_progress) in enumerate(events):
        event = (
            progress(number, version, revision) if is_progress else change(number, version, revision=revision)
        )
        newest[event.job_id] = max(newest.get(event.job_id, (0, 0)), event.moment)
        hub.publish(event)
        if i == read_at:
            sent += box.take()
    sent += box.take()
    assert {job: max(e.moment for e in sent if e.job_id == job) for job in newest} == newest
    for job in newest:
        moments = [e.moment for e in sent if e.job_id == job]
        assert moments == sorted(set(moments))


def test_an_event_goes_to_those_who_watch_the_job_and_to_readers_of_its_owner() -> None:
    hub, one, other, all_, foreign = Hub(), Mailbox(room=9), Mailbox(room=9), Mailbox(room=9), Mailbox(room=9)
    hub.watch(JOB.format(1), one)
    hub.watch(JOB.format(2), other)
    hub.follow("default", Filters(), all_)
    hub.follow("somebody", Filters(), foreign)
    hub.publish(change(1, 1))
    assert [len(box.take()) for box in (one, other, all_, foreign)] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(), True),
        (Filters(states=frozenset({"running", "failed"})), True),
        (Filters(states=frozenset({"failed"})), False),
        (Filters(task="noop"), True),
        (Filters(task="sleep"), False),
        (Filters(tags=frozenset({"a"})), True),
        (Filters(tags=frozenset({"a", "b"})), True),
        (Filters(tags=frozenset({"a", "c"})), False),
        (Filters(batch="b1"), True),
        (Filters(batch="b2"), False),
    ],
)
def test_a_reader_gets_what_passes_its_filters(filters: Filters, passes: bool) -> None:
    hub, box = Hub(), Mailbox(room=9)
    hub.follow("default", filters, box)
    hub.publish(change(1, 2, tags=["a", "b"], batch="b1"))
    hub.publish(progress(1, 2, 1))
    assert _moments(box.take()) == ([("job", 2, 0), ("progress", 2, 1)] if passes else [])


def test_progress_of_a_job_never_seen_passes_no_filter_that_asks_for_more() -> None:
    hub, box = Hub(), Mailbox(room=9)
    hub.follow("default", Filters(task="noop"), box)
    hub.publish(progress(1, 2, 1))
    assert box.is_empty


def test_old_news_is_dropped_for_everybody() -> None:
    hub, box = Hub(), Mailbox(room=9)
    hub.follow("default", Filters(), box)
    assert hub.publish(change(1, 3, "succeeded"))
    assert not hub.publish(change(1, 2))
    assert not hub.publish(change(1, 3, "succeeded"))
    assert len(box.take()) == 1


def test_nobody_listens_once_the_last_has_left() -> None:
    hub, box = Hub(), Mailbox(room=9)
    hub.follow("default", Filters(), box)
    hub.watch(JOB.format(1), box)
    assert hub.wants("default", JOB.format(2))
    hub.publish(change(1, 1))
    hub.unfollow("default", box)
    assert hub.wants("default", JOB.format(1))
    hub.unwatch(JOB.format(1), box)
    assert not hub.wants("default", JOB.format(1))
    assert not hub.watched()
    assert not hub.unended(10)


def test_frames_are_made_once_and_shared() -> None:
    event = change(1, 2)
    assert event.listed is event.listed
    assert event.listed.startswith(b'event: job\ndata: {"id":')
    assert event.whole.startswith(b"event: job\nid: 2.0\ndata: {")


def test_what_is_long_is_left_out_of_streams_of_many_jobs() -> None:
    import json

    long = json.dumps("x" * 5_000)
    event = change(1, 3, "succeeded", payload=long, has_result=True, result=long.encode())
    assert json.loads(event.whole.split(b"data: ")[1])["result"] == "x" * 5_000
    view = json.loads(event.listed.split(b"data: ")[1])
    assert (view["payload"], view["result"]) == (None, None)
    assert view["result_url"] == f"/jobs/{JOB.format(1)}/result"


def test_a_payload_with_line_breaks_cannot_end_a_line() -> None:
    event = change(1, 2, payload='{"a":\r\n[1,\n2]}')
    assert event.listed.count(b"\n") == 3
    assert b"\r" not in event.listed

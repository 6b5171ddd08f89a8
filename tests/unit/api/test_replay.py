"""What a reader who comes back gets beside the live feed."""

from api.fanout import Filters, Hub, Mailbox
from api.live_event import LiveEvent
from api.repairs import Repairs
from tests.unit.api.events import change, progress


def _told(box: Mailbox) -> list[tuple[str, int, int]]:
    return [(e.name, e.moment[0], e.moment[1]) for e in box.take()]


def _back(hub: Hub, *events: LiveEvent, filters: Filters | None = None, owner: str = "default") -> Mailbox:
    box, wants = Mailbox(room=9), filters or Filters()
    hub.follow(owner, wants, box)
    hub.replay(owner, wants, box, events)
    return box


def test_of_each_job_the_newest_is_replayed() -> None:
    box = _back(Hub(), change(1, 1), change(2, 1), change(1, 2), progress(1, 2, 1))
    assert _told(box) == [("job", 2, 0), ("job", 1, 0), ("progress", 2, 1)]


def test_a_replay_passes_the_filters_and_progress_goes_by_what_was_said_of_its_job() -> None:
    past = change(1, 2, tags=["a"]), progress(1, 2, 1), change(2, 2, tags=["b"]), progress(2, 2, 1)
    box = _back(Hub(), *past, filters=Filters(tags=frozenset({"a"})))
    assert _told(box) == [("job", 2, 0), ("progress", 2, 1)]


def test_nobody_is_replayed_what_belongs_to_somebody_else() -> None:
    assert _told(_back(Hub(), change(1, 2), owner="somebody")) == []


def test_what_was_replayed_is_looked_after_like_what_came_live() -> None:
    hub = Hub()
    _back(hub, change(1, 2))
    assert list(hub.unended(9).values()) == [(2, 0)]


def test_what_was_repaired_before_a_reader_came_back_is_part_of_its_past() -> None:
    hub = Hub()
    hub.follow("default", Filters(), Mailbox(room=9))
    hub.publish(change(1, 1))
    hub.repair(change(1, 3, "succeeded"))
    box = _back(hub, change(1, 1))
    assert _told(box) == [("job", 3, 0)]
    hub.publish(change(1, 2))
    assert _told(box) == [], "late news of what has ended"


def test_once_the_bus_has_brought_it_a_repair_is_no_longer_kept() -> None:
    hub = Hub()
    hub.follow("default", Filters(), Mailbox(room=9))
    hub.publish(change(1, 1))
    hub.repair(change(1, 3, "succeeded"))
    hub.publish(change(1, 2))
    assert _told(_back(hub)) == [("job", 3, 0)]
    hub.publish(change(1, 3, "succeeded"))
    assert _told(_back(hub)) == []


def test_what_readers_were_never_told_of_is_no_repair_for_them() -> None:
    hub, watcher, reader = Hub(), Mailbox(room=9), Mailbox(room=9)
    hub.watch(change(1, 1).job_id, watcher)
    hub.follow("default", Filters(), reader)
    hub.repair(change(1, 1))
    assert (_told(watcher), _told(reader), _told(_back(hub))) == ([("job", 1, 0)], [], [])


def test_repairs_are_kept_as_long_as_a_ring_would_and_too_many_are_no_past_at_all() -> None:
    now = [0.0]
    repairs = Repairs(clock=lambda: now[0])
    repairs.add(change(1, 3))
    now[0] = 299
    repairs.add(change(2, 3))
    assert len(repairs.all() or []) == 2
    now[0] = 301
    assert len(repairs.all() or []) == 1
    for number in range(1_000):
        event = change(1, 3)
        event.job_id = str(number)
        repairs.add(event)
    assert repairs.all() is None


def test_who_missed_more_than_a_mailbox_holds_gets_none_of_it() -> None:
    box = _back(Hub(), *(change(number, 1) for number in range(1, 15)))
    assert (box.take_missed(), box.take()) == ("too slow", [])


def test_a_reset_reaches_readers_of_many_and_takes_away_what_waits() -> None:
    hub = Hub()
    box = _back(hub, change(1, 1))
    hub.reset("the stream begins anew")
    assert (box.take_missed(), box.take()) == ("the stream begins anew", [])

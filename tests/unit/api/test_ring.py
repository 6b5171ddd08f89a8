"""The recent past: replayed as a whole, or not at all."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.cursor import Cursor
from api.ring import MOST_REPLAYED, Ring

MINUTE = timedelta(minutes=1)


class Rig:
    """A ring whose items say where they stand, and a clock."""

    def __init__(self, *starts: int, room: int = 1 << 30) -> None:
        self.now = 1_000.0
        self.ring = Ring[tuple[int, int]](kept=MINUTE, room=room, clock=lambda: self.now)
        places = dict(enumerate(starts or (0,)))
        self.next = dict(places)
        self.ring.begin("c1", places, places)

    def add(self, *partitions: int, size: int = 100) -> None:
        for number in partitions:
            offset = self.next[number]
            assert self.ring.add(number, offset, (number, offset), at=self.now, size=size)
            self.next[number] += 1

    def after(self, **offsets: int) -> list[tuple[int, int]] | None:
        return self.ring.after(Cursor("c1", {int(p[1:]): offset for p, offset in offsets.items()}))


def test_who_comes_back_gets_exactly_what_came_after_its_place() -> None:
    rig = Rig(10, 20)
    rig.add(0, 1, 0, 0, 1)
    assert rig.after(p0=11, p1=20) == [(0, 11), (0, 12), (1, 20), (1, 21)]
    assert rig.after(p0=13, p1=22) == []
    assert rig.ring.place == "c1;0:13,1:22"


def test_a_place_before_the_ring_after_it_or_elsewhere_gets_nothing_at_all() -> None:
    rig = Rig(10, 20)
    rig.add(0, 1)
    assert rig.after(p0=9, p1=21) is None
    assert rig.after(p0=12, p1=21) is None
    assert rig.after(p0=11) is None
    assert rig.after(p0=11, p1=21, p2=0) is None
    assert rig.ring.after(Cursor("c2", {0: 11, 1: 21})) is None


def test_what_is_too_old_is_dropped_and_the_newest_place_stays_good() -> None:
    rig = Rig()
    rig.add(0, 0)
    rig.now += 61
    rig.add(0)
    assert rig.after(p0=1) is None
    assert rig.after(p0=2) == [(0, 2)]
    assert rig.after(p0=3) == []


def test_a_clock_of_the_future_keeps_nothing_for_longer() -> None:
    rig = Rig()
    rig.ring.add(0, 0, (0, 0), at=rig.now + 1e9, size=1)
    rig.next[0] = 1
    rig.now += 61
    rig.add(0)
    assert rig.after(p0=0) is None


def test_the_ring_takes_no_more_than_its_room() -> None:
    rig = Rig(0, 0, room=100_000)
    for _ in range(200):
        rig.add(0, 1, size=2_000)
        assert rig.ring.bytes <= 100_000
    assert rig.after(p0=199, p1=199) == [(0, 199), (1, 199)]
    assert rig.after(p0=0, p1=0) is None


def test_who_missed_more_than_a_list_costs_is_told_to_read_the_list() -> None:
    rig = Rig()
    rig.add(*[0] * (MOST_REPLAYED + 1))
    assert rig.after(p0=0) is None
    assert len(rig.after(p0=1) or []) == MOST_REPLAYED


def test_no_more_is_kept_than_a_replay_may_bring() -> None:
    rig = Rig(0, 0)
    rig.add(*[0, 1] * MOST_REPLAYED, size=100)
    one_each = rig.ring.bytes / MOST_REPLAYED
    rig.add(0, 1, size=100)
    assert rig.ring.bytes / MOST_REPLAYED == one_each == 2 * 100 + 600
    assert len(rig.after(p0=MOST_REPLAYED // 2 + 1, p1=MOST_REPLAYED // 2 + 1) or []) == MOST_REPLAYED


def test_until_all_is_read_that_was_there_at_the_start_there_is_no_place() -> None:
    ring = Ring[int](kept=MINUTE, room=1 << 20, clock=lambda: 0.0)
    assert ring.place == ""
    assert not ring.begin("c1", {0: 5}, {0: 7})
    assert [ring.is_news(0, offset) for offset in (5, 6, 7)] == [False, False, True]
    ring.add(0, 5, 5, at=0, size=1)
    assert (ring.place, ring.after(Cursor("c1", {0: 5}))) == ("", None)
    ring.add(0, 6, 6, at=0, size=1)
    assert (ring.place, ring.after(Cursor("c1", {0: 5}))) == ("c1;0:7", [5, 6])


def test_more_partitions_make_every_place_a_foreign_one() -> None:
    rig = Rig(0)
    rig.add(0)
    assert rig.ring.begin("c1", {0: 1}, {0: 1}), "nothing has changed"
    assert not rig.ring.begin("c1", {0: 1, 1: 0}, {0: 1, 1: 0})
    assert rig.after(p0=0) is None
    assert rig.after(p0=0, p1=0) == [(0, 0)]


def test_after_a_gap_nobody_is_replayed_from_before_it() -> None:
    rig = Rig(0, 0)
    rig.add(0, 1)
    assert not rig.ring.add(0, 5, (0, 5), at=rig.now, size=1)
    assert rig.after(p0=1, p1=1) is None
    assert rig.after(p0=1, p1=0) is None
    assert rig.after(p0=5, p1=1) == [(0, 5)]
    assert not rig.ring.add(0, 2, (0, 2), at=rig.now, size=1), "the topic was made anew"
    assert rig.ring.place == "c1;0:3,1:1"


def test_another_cluster_begins_anew() -> None:
    rig = Rig(0)
    rig.add(0)
    assert not rig.ring.begin("c2", {0: 1}, {0: 1})
    assert rig.ring.place == "c2;0:1"
    assert rig.ring.after(Cursor("c2", {0: 0})) is None


async def test_a_replica_that_is_behind_reads_on_before_it_replays() -> None:
    rig = Rig(0)
    reaching = asyncio.create_task(rig.ring.reach(Cursor("c1", {0: 2}), timedelta(seconds=5)))
    for _ in range(2):
        await asyncio.sleep(0)
        assert not reaching.done()
        rig.add(0)
    await asyncio.wait_for(reaching, 1)
    await asyncio.wait_for(rig.ring.reach(Cursor("c2", {0: 9}), timedelta(seconds=5)), 1)
    await asyncio.wait_for(rig.ring.reach(Cursor("c1", {0: 9}), timedelta(milliseconds=1)), 1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 400), st.integers(0, 20)), max_size=120),
    st.integers(0, 119),
    st.integers(2_000, 20_000),
)
def test_whatever_comes_a_replay_is_all_that_was_missed_or_none(
    messages: list[tuple[int, int, int]], left_at: int, room: int
) -> None:
    rig = Rig(3, 0, 7, room=room)
    place, missed = Cursor.parse(rig.ring.place), list[tuple[int, int]]()
    for i, (partition, size, seconds) in enumerate(messages):
        rig.now += seconds
        if i == left_at:
            place, missed = Cursor.parse(rig.ring.place), []
        missed.append((partition, rig.next[partition]))
        rig.add(partition, size=size)
        assert rig.ring.bytes <= room
    assert place is not None
    replay = rig.ring.after(place)
    assert replay is None or sorted(replay) == sorted(missed)
    now = Cursor.parse(rig.ring.place)
    assert now is not None
    assert rig.ring.after(now) == []

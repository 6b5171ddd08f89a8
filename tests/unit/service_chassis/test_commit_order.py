"""How far a group may commit while batches end in any order."""

import random

from aiokafka import TopicPartition

from service_chassis.commit_order import CommitOrder

P0, P1 = TopicPartition("jobs", 0), TopicPartition("jobs", 1)


def test_nothing_is_committed_past_a_batch_under_way() -> None:
    order = CommitOrder()
    first, second = order.begin({P0: 10, P1: 5}), order.begin({P0: 20})
    assert order.end(second) == {}
    assert order.end(first) == {P0: 20, P1: 5}
    assert len(order) == 0


def test_a_partition_waits_for_no_other_one() -> None:
    order = CommitOrder()
    order.begin({P0: 10})
    assert order.end(order.begin({P1: 7})) == {P1: 7}


def test_however_long_a_batch_takes_those_behind_it_cost_a_bounded_number_of_entries() -> None:
    order = CommitOrder()
    first = order.begin({P0: 1})
    for end in range(2, 10_000):
        assert order.end(order.begin({P0: end})) == {}
    assert len(order) < 100
    assert order.end(first) == {P0: 9_999}


def test_a_batch_from_before_a_rebalance_commits_nothing() -> None:
    order = CommitOrder()
    late = order.begin({P0: 10})
    order.clear()
    fresh = order.begin({P0: 5})
    assert order.end(late) == {}
    assert order.end(fresh) == {P0: 5}


def test_in_whatever_order_batches_end_offsets_only_grow_up_to_the_first_that_is_open() -> None:
    rng = random.Random(3)
    for _ in range(200):
        order, committed = CommitOrder(), 0
        spans = {end: order.begin({P0: end}) for end in range(1, 60)}
        open_ends = set(spans)
        for end in rng.sample(sorted(spans), len(spans)):
            open_ends.discard(end)
            offset = order.end(spans[end]).get(P0, committed)
            assert offset >= committed
            committed = offset
            assert committed == min(open_ends, default=60) - 1

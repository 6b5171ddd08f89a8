"""The file descriptors of a process suffice for all that it keeps open, in the order of what matters."""

from service_chassis import descriptors, mongo, server

KAFKA_AND_MONITORS = 9 + 6 + 5
"""Three clients of three brokers, two monitors of each of three members, and who asks for health."""


def test_what_the_server_leaves_is_enough_for_a_full_pool_and_for_kafka() -> None:
    assert mongo.POOL + KAFKA_AND_MONITORS <= server.SPARED


def test_streams_leave_some_to_posts_as_well() -> None:
    assert server.SPARED + 32 <= descriptors.SPARED

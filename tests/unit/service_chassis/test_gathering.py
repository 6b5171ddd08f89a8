"""How long work gathers before the next group is taken."""

from datetime import timedelta

from service_chassis.gathering import Gathering


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _gathering(clock: Clock) -> Gathering:
    return Gathering(each=timedelta(milliseconds=2), most=timedelta(milliseconds=25), clock=clock)


def test_nothing_waits_before_the_first_group() -> None:
    assert _gathering(Clock()).left == 0


def test_each_item_makes_the_next_group_wait_up_to_a_limit() -> None:
    clock = Clock()
    gathering = _gathering(clock)
    for count, left in ((0, 0.0), (1, 0.002), (10, 0.020), (1_000, 0.025)):
        gathering.took(count)
        assert round(gathering.left, 6) == left


async def test_the_pause_is_over_when_its_time_has_passed() -> None:
    clock = Clock()
    gathering = _gathering(clock)
    gathering.took(10)
    clock.now += 0.021
    assert gathering.left == 0
    await gathering.wait()

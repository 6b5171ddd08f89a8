"""When what is left over is deleted, and what a store that is away does to it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from job_worker.sweeping import MOST, Sweeping
from service_chassis.metrics import Metrics
from service_chassis.objects import ObjectsError

DAY = timedelta(days=1).total_seconds()


class Shelf:
    """Pictures left over, and groups of objects to walk through."""

    def __init__(self, left: int = 0, groups: tuple[int, ...] = ()) -> None:
        self.left, self.groups, self.walks = left, groups, 0
        self.away = False

    async def forget(self, most: int) -> int:
        gone = min(most, self.left)
        self.left -= gone
        return gone

    async def forget_strays(self) -> AsyncIterator[int]:
        self.walks += 1
        for strays in self.groups:
            if self.away:
                raise ObjectsError("away")
            yield strays


class Rig:
    def __init__(self, shelf: Shelf) -> None:
        self.now, self.metrics = 0.0, Metrics()
        self.sweeping = Sweeping(
            leftovers=shelf,
            leads=lambda: True,
            every=timedelta(minutes=1),
            clock=lambda: self.now,
            metrics=self.metrics,
        )

    @property
    def counted(self) -> float | None:
        return self.metrics.registry.get_sample_value("pictures_swept_total")


async def test_a_group_at_a_time_goes_and_the_rest_follows_at_once() -> None:
    rig = Rig(Shelf(left=MOST + 7))
    assert await rig.sweeping.sweep()
    assert not await rig.sweeping.sweep()
    assert rig.counted == MOST + 7


async def test_the_store_is_walked_through_seldom_and_one_group_at_a_time() -> None:
    shelf = Shelf(groups=(0, 3, 0))
    rig = Rig(shelf)
    assert not await rig.sweeping.sweep()
    assert shelf.walks == 0, "a start is no reason to list everything"
    rig.now = DAY
    for _ in range(3):
        assert await rig.sweeping.sweep(), "there is more to look at"
    assert not await rig.sweeping.sweep()
    assert not await rig.sweeping.sweep()
    assert shelf.walks == 1
    rig.now = 2 * DAY
    assert await rig.sweeping.sweep()
    assert shelf.walks == 2


async def test_a_walk_that_a_store_has_broken_off_begins_anew_later() -> None:
    shelf = Shelf(groups=(0, 0))
    rig = Rig(shelf)
    rig.now = DAY
    shelf.away = True
    with pytest.raises(ObjectsError):
        await rig.sweeping.sweep()
    shelf.away = False
    assert not await rig.sweeping.sweep()
    rig.now = 2 * DAY
    assert await rig.sweeping.sweep()
    assert shelf.walks == 2

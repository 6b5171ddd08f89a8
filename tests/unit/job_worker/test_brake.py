"""When a task pauses itself, and when it goes on."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from job_contracts.messages import ErrorInfo
from job_worker.brake import Brake, End
from job_worker.pauses import Pauses
from job_worker.settings import BrakeSettings
from service_chassis.metrics import Metrics
from tests.support.waiting import until
from tests.unit.job_worker.fakes import FakeStore

REFUSED = ErrorInfo(type="KeyRefused", message="401")


class Rig:
    def __init__(self, **settings: Any) -> None:
        self.store, self.now = FakeStore(), 0.0
        self.pauses = Pauses(store=self.store)
        self.brake = Brake(
            store=self.store,
            pauses=self.pauses,
            settings=BrakeSettings(**settings),
            clock=lambda: self.now,
            metrics=Metrics(),
        )

    async def paused(self) -> bool:
        await asyncio.sleep(0)
        return self.pauses.of("it") is not None

    async def is_paused(self) -> None:
        await until(self.paused, within=2, what="the pause to be stored", every=0.01)


async def test_attempts_that_all_end_alike_pause_the_task_and_say_why() -> None:
    rig = Rig(run=20)
    for _ in range(19):
        rig.brake.failed("it", REFUSED)
    assert not await rig.paused()
    rig.brake.failed("it", REFUSED)
    await rig.is_paused()
    assert rig.store.paused["it"]["reason"] == "20 of the last 20 attempts ended in KeyRefused: 401"
    assert rig.brake.holds("it", "KeyRefused")
    assert not rig.brake.holds("it", "Other")


@given(st.lists(st.sampled_from([None, "a", "b"]), max_size=60))
def test_it_trips_exactly_when_one_error_ends_nine_of_ten_of_the_last_attempts(
    ends: list[str | None],
) -> None:
    rig = Rig(run=10)
    for end in ends:
        if rig.brake.trips("it", 0) is not None:
            break
        # As `failed` and `succeeded` note it, without the pause that follows.
        rig.brake._ends["it"].append(End(0.0, end))
    last = [e.error_type for e in rig.brake._ends["it"]]
    expected = len(last) == 10 and any(last.count(kind) >= 9 for kind in ("a", "b"))
    assert (rig.brake.trips("it", 0) is not None) == expected


async def test_one_success_among_ten_and_old_failures_do_not_pause() -> None:
    rig = Rig(run=5)
    for _ in range(4):
        rig.brake.failed("it", REFUSED)
    rig.brake.succeeded("it")
    rig.brake.failed("it", REFUSED)
    assert not await rig.paused()
    late = Rig(run=5)
    for _ in range(5):
        late.now += 300
        late.brake.failed("it", REFUSED)
    assert not await late.paused()


async def test_only_the_success_of_a_probe_resumes() -> None:
    rig = Rig(run=1)
    rig.brake.failed("it", REFUSED)
    await rig.is_paused()
    rig.brake.succeeded("it")
    assert await rig.paused()
    rig.brake.succeeded("it", probe=True)

    async def resumed() -> bool:
        return not await rig.paused()

    await until(resumed, within=2, what="the task to go on", every=0.01)


async def test_a_pause_that_a_person_has_set_is_not_lifted_by_a_success() -> None:
    rig = Rig()
    await rig.store.pause(
        "it", {"by": "person", "reason": "deploying"}, probe_after=BrakeSettings().probe_after
    )
    await rig.pauses.look()
    rig.brake.succeeded("it", probe=True)
    assert await rig.paused()


async def test_switched_off_it_never_pauses() -> None:
    rig = Rig(run=0)
    for _ in range(100):
        rig.brake.failed("it", REFUSED)
    assert not await rig.paused()


async def test_an_outage_while_pausing_is_made_good_by_later_failures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(run=2)
    rig.store.failures = [AutoReconnect("away")]
    for _ in range(2):
        rig.brake.failed("it", REFUSED)

    async def told() -> bool:
        await asyncio.sleep(0)
        return "brake.not_stored" in caplog.text

    await until(told, within=2, what="the outage to be logged", every=0.01)
    for _ in range(2):
        rig.brake.failed("it", REFUSED)
    await rig.is_paused()

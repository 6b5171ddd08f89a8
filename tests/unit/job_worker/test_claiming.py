"""Which messages become running jobs."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import BaseModel
from pymongo.errors import AutoReconnect

from job_contracts.messages import JobRequested, encode
from job_contracts.record import GuardedMove
from job_worker.claiming import Claiming
from job_worker.lanes import Lanes
from job_worker.slots import SOON, Slots
from job_worker.tasks import TaskContext, task
from service_chassis.metrics import Metrics
from service_chassis.server import Grace
from tests.support.waiting import until_true
from tests.unit.job_worker.fakes import (
    JOB,
    FakeLease,
    FakeMoving,
    FakePauses,
    FakePublisher,
    FakeStore,
    requested,
    stored,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = "0198c0de-0000-7000-8000-000000000001"


class Empty(BaseModel):
    pass


def _compute(payload: Empty, context: TaskContext) -> None:
    pass


async def _wait(payload: Empty, context: TaskContext) -> None:
    pass


TASKS = {"noop": task("noop")(_wait), "compute": task("compute")(_compute)}


class Started:
    def __init__(self, lanes: Lanes) -> None:
        self.jobs: list[tuple[str, str]] = []
        self.living: set[str] = set()
        self._lanes = lanes

    def start(self, request: JobRequested, *, worker: str) -> None:
        self._lanes.of(TASKS[request.task]).slots.take()
        self.jobs.append((request.job_id, worker))


class Rig:
    def __init__(self, slots: int = 2) -> None:
        self.slots, self.store, self.publisher = Slots(slots), FakeStore(), FakePublisher()
        self.moving, self.lease = FakeMoving(), FakeLease()
        self.time = 0.0
        self.lanes = Lanes(self.slots, threads=1, clock=lambda: self.time)
        self.execution = Started(self.lanes)
        self.pauses = FakePauses()
        self.claiming = Claiming(
            store=self.store,
            publisher=self.publisher,
            execution=self.execution,  # type: ignore[arg-type]
            moving=self.moving,  # type: ignore[arg-type]
            lease=self.lease,  # type: ignore[arg-type]
            lanes=self.lanes,
            pauses=self.pauses,  # type: ignore[arg-type]
            tasks=TASKS,
            digest=lambda _: "old",
            now=lambda: NOW,
            grace=Grace(timedelta(seconds=20)),
            metrics=Metrics(),
        )

    async def claim(self, *values: bytes | None) -> None:
        await self.claiming.claim([_record(offset, value) for offset, value in enumerate(values)])

    def ids(self) -> list[str]:
        return [job_id for job_id, _ in self.execution.jobs]


def _record(offset: int, value: bytes | None) -> ConsumerRecord[Any, Any]:
    return ConsumerRecord(
        "jobs", 0, offset, 1_700_000_000_000, 0, None, value, None, 0, len(value or b""), ()
    )


async def test_a_claimed_job_starts_under_the_lease_it_was_claimed_with() -> None:
    rig = Rig()
    rig.store.matches = 1
    await rig.claim(encode(requested()))
    assert rig.execution.jobs == [(requested().job_id, "w-1")]


async def test_only_what_the_claim_has_got_is_started() -> None:
    rig = Rig()
    rig.store.matches, rig.store.claimed = 1, {OTHER}
    await rig.claim(encode(requested()), encode(requested(job_id=OTHER)))
    assert rig.ids() == [OTHER]


async def test_a_claim_that_is_under_way_at_the_end_is_learned_and_started_to_be_given_back() -> None:
    rig = Rig()
    rig.store.matches = 1
    answers = asyncio.Event()
    apply = rig.store.apply

    async def silent(moves: Sequence[GuardedMove]) -> int:
        await answers.wait()
        return await apply(moves)

    rig.store.apply = silent  # type: ignore[method-assign]
    async with rig.claiming:
        batch = asyncio.create_task(rig.claim(encode(requested())))
        await until_true(lambda: bool(rig.claiming._open), within=1, what="the claim")
        batch.cancel()
        await asyncio.wait([batch])
        asyncio.get_running_loop().call_later(0.05, answers.set)
    assert rig.ids() == [requested().job_id]


async def test_a_message_for_the_same_job_twice_in_a_batch_starts_it_once() -> None:
    rig = Rig()
    rig.store.matches = 1
    await rig.claim(encode(requested(version=1)), encode(requested(version=3)))
    assert rig.ids() == [requested().job_id]
    assert rig.store.applied[0].filter["version"] == 3


async def test_unreadable_bytes_are_diverted_and_what_stood_behind_them_goes_on() -> None:
    rig = Rig()
    rig.store.matches = 1
    await rig.claim(b"{", b"\xff", None, encode(requested()))
    assert [letter.raw for letter in rig.publisher.poison] == [b"{", b"\xff", b""]
    assert rig.ids() == [requested().job_id]


async def test_jobs_beyond_the_free_slots_are_handed_over() -> None:
    rig = Rig(slots=1)
    rig.store.matches = 1
    await rig.claim(encode(requested()), encode(requested(job_id=OTHER)))
    assert rig.ids() == [requested().job_id]
    handed = [move for move in rig.store.applied if move.update == [{"$set": {"wake_at": "$$NOW"}}]]
    assert handed[0].filter["_id"] == {"$in": [OTHER]}


async def test_a_task_this_worker_does_not_know_is_handed_over() -> None:
    rig = Rig()
    await rig.claim(encode(requested(task="elsewhere")))
    assert not rig.ids()
    assert rig.store.applied[0].update == [{"$set": {"wake_at": "$$NOW"}}]


async def test_jobs_claimed_under_a_lease_that_lapsed_meanwhile_are_given_back() -> None:
    rig = Rig()
    rig.store.matches = 1
    apply = rig.store.apply

    async def lapses(moves: Any) -> int:
        rig.lease.worker_id = "w-2"
        return await apply(moves)

    rig.store.apply = lapses  # type: ignore[method-assign]
    await rig.claim(encode(requested()))
    assert not rig.ids()
    assert rig.moving.targets() == ["pending"]


async def test_an_outage_while_handing_over_claims_nothing() -> None:
    rig = Rig(slots=1)
    rig.store.failures = [AutoReconnect("away")]
    try:
        await rig.claim(encode(requested()), encode(requested(job_id=OTHER)))
    except AutoReconnect:
        assert not rig.ids()
    else:
        raise AssertionError("the outage must reach whoever retries the batch")


async def test_a_worker_wants_as_many_messages_as_it_has_free_slots() -> None:
    rig = Rig(slots=3)
    rig.slots.take()
    assert await rig.claiming.wanted() == 2


async def test_where_jobs_are_short_a_worker_wants_more_than_it_has_slots_and_claims_what_it_wanted() -> None:
    rig = Rig(slots=1)
    for _ in range(5_000):
        rig.slots.took(SOON.total_seconds() / 2.5)
    assert await rig.claiming.wanted() == 2
    rig.slots.took(60)
    assert rig.slots.room == 1
    rig.store.matches = 2
    await rig.claim(encode(requested()), encode(requested(job_id=OTHER)))
    assert rig.ids() == [requested().job_id, OTHER]


async def test_a_full_worker_takes_messages_only_for_those_with_room() -> None:
    rig = Rig(slots=1)
    rig.slots.take()
    rig.lease.free_elsewhere = 7
    assert await rig.claiming.wanted() == 7


async def test_an_expired_job_is_left_to_the_dispatcher() -> None:
    rig = Rig()
    rig.store.matches = 1
    await rig.claim(
        encode(requested(expire_by=NOW)),
        encode(requested(job_id=OTHER, expire_by=NOW + timedelta(seconds=1))),
    )
    assert rig.ids() == [OTHER]
    assert len(rig.store.applied) == 1


async def test_a_job_of_a_paused_task_is_parked_and_announced_but_a_probe_runs() -> None:
    rig = Rig()
    rig.pauses.paused = {"noop"}
    rig.store.docs = {JOB: stored(state="waiting", reason="paused", version=2)}
    rig.store.matches = 1
    await rig.claim(encode(requested()), encode(requested(job_id=OTHER, probe=True)))
    assert rig.store.applied[0].update[0]["$set"]["reason"] == "paused"
    assert rig.moving.announced == ["waiting"]
    assert rig.ids() == [OTHER]


async def test_a_parked_job_that_was_moved_meanwhile_is_not_announced() -> None:
    rig = Rig()
    rig.pauses.paused = {"noop"}
    rig.store.docs = {JOB: stored(state="cancelled", version=3)}
    await rig.claim(encode(requested()))
    assert rig.moving.announced == []


def _id(name: str) -> str:
    return f"{JOB[:-1]}{name}"


def _computing(*names: str) -> list[bytes]:
    return [encode(requested(task="compute", job_id=_id(name))) for name in names]


def _matching() -> Rig:
    rig = Rig()
    rig.store.matches = 99
    return rig


def _names(rig: Rig) -> list[str]:
    return [job_id[-1] for job_id in rig.ids()]


def _waits(rig: Rig) -> list[Any]:
    """Milliseconds until each job that was kept is looked at again."""
    return [
        move.update[0]["$set"]["wake_at"]["$min"][0]["$add"][1]
        for move in rig.store.applied
        if "$min" in str(move.update) and "claim" not in move.update[0]["$set"]
    ]


async def test_plain_functions_without_a_thread_wait_unclaimed_and_coroutines_pass_them() -> None:
    rig = _matching()
    rig.lanes.threads.slots.took(20)
    await rig.claim(*_computing("a", "b", "c"), encode(requested(job_id=_id("d"))))
    assert _names(rig) == ["a", "d"]
    assert len(rig.lanes.threads.backlog) == 2
    assert not rig.publisher.requests


async def test_what_has_waited_is_claimed_when_there_is_a_thread_and_in_its_order() -> None:
    rig = _matching()
    rig.lanes.threads.slots.took(20)
    await rig.claim(*_computing("a", "b", "c"))
    rig.lanes.threads.slots.release(None)
    await rig.claim(*_computing("d"))
    assert _names(rig) == ["a"], "nobody overtakes"
    for _ in range(3):
        await rig.claiming.claim_kept(rig.lanes.threads)
        rig.lanes.threads.slots.release(None)
    assert _names(rig) == ["a", "b", "c", "d"]


async def test_what_waits_for_too_long_is_left_to_whoever_is_fit() -> None:
    rig = _matching()
    rig.lanes.threads.slots.took(20)
    await rig.claim(*_computing("a", "b"))
    rig.lanes.threads.slots.release(None)
    rig.time = 9
    await rig.claiming.claim_kept(rig.lanes.threads)
    assert _names(rig) == ["a"]
    assert not rig.lanes.threads.backlog


async def test_a_long_backlog_is_looked_at_about_when_it_may_run() -> None:
    rig = _matching()
    for _ in range(200):
        rig.lanes.threads.slots.took(4)
    await rig.claim(*_computing(*"01234567"))
    assert len(rig.lanes.threads.backlog) == 2
    assert _waits(rig) == [10_000, 20_000, 30_000, 40_000]


async def test_a_job_whose_function_still_runs_here_is_not_started_beside_itself() -> None:
    rig = _matching()
    rig.execution.living = {_id("a")}
    await rig.claim(*_computing("a", "b"))
    assert _names(rig) == ["b"]
    assert _waits(rig) == [10_000]


async def test_a_worker_that_leaves_lets_others_have_what_has_waited() -> None:
    rig = _matching()
    rig.lanes.threads.slots.took(20)
    await rig.claim(*_computing("a", "b"))
    await rig.claiming.leave()
    assert rig.store.applied[-1].filter["_id"] == {"$in": [_id("b")]}
    assert rig.store.applied[-1].update == [{"$set": {"wake_at": "$$NOW"}}]


async def test_a_job_that_this_version_has_refused_is_handed_over_and_not_claimed_again() -> None:
    rig = Rig()
    rig.store.matches = 1
    await rig.claim(encode(requested(refused=("old",))))
    assert not rig.ids()
    assert rig.store.applied[0].update == [{"$set": {"wake_at": "$$NOW"}}]


async def test_a_job_that_another_version_has_refused_is_claimed() -> None:
    rig = Rig()
    rig.store.matches = 1
    await rig.claim(encode(requested(refused=("new",))))
    assert rig.ids()

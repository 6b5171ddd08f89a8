"""What the dispatcher wakes, publishes again and reaps."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import TopicPartition

from job_contracts.lifecycle import ErrorKind
from job_worker.dispatcher import Dispatcher
from job_worker.expiring import Expiring
from job_worker.reaping import Reaping
from job_worker.releasing import Releasing
from job_worker.settings import DispatcherSettings, WorkerSettings
from job_worker.turns import Turns
from service_chassis.metrics import Metrics
from service_chassis.offsets import OffsetsError
from tests.unit.job_worker.fakes import JOB, FakeMoving, FakePublisher, FakeStore, stored

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = WorkerSettings().lease


class FakeOffsets:
    def __init__(self) -> None:
        self.end, self.done, self.away = 0, 0, False

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        if self.away:
            raise OffsetsError("away")
        return {TopicPartition(topic, 0): self.end} if self.end else {}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        topic = {"result-worker": "results", "dlq-worker": "dead-letter"}[group]
        return {TopicPartition(topic, 0): self.done}


class Rig:
    def __init__(self) -> None:
        self.store, self.publisher, self.offsets = FakeStore(), FakePublisher(), FakeOffsets()
        self.moving = FakeMoving()
        self.now = 0.0
        self.reaping = Reaping(
            store=self.store,
            publisher=self.publisher,
            moving=self.moving,  # type: ignore[arg-type]
            offsets=self.offsets,
            lease=LEASE,
            retention=LEASE,
        )
        releasing = Releasing(store=self.store, publisher=self.publisher, metrics=Metrics())
        self.dispatcher = Dispatcher(
            store=self.store,
            releasing=releasing,
            turns=Turns(store=self.store, releasing=releasing, batch=500),
            expiring=Expiring(store=self.store, publisher=self.publisher),
            reaping=self.reaping,
            settings=DispatcherSettings(),
            clock=lambda: self.now,
            now=lambda: NOW,
            metrics=Metrics(),
        )

    async def live(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1
            await self.dispatcher.tick()

    def stall(self, **changes: Any) -> None:
        self.store.docs = {JOB: stored(state="running", version=2, worker="w-dead", **changes)}
        self.store.lapsed = {"w-dead"}


def worker(
    name: str, *, tasks: list[str], busy: int = 0, partitions: list[int] | None = None
) -> dict[str, Any]:
    return {"_id": name, "slots": 10, "busy": busy, "tasks": tasks, "partitions": partitions or [1]}


async def test_a_due_job_is_released_announced_and_requested() -> None:
    rig = Rig()
    rig.store.due_jobs = [stored(state="waiting", version=1)]
    rig.store.docs = {JOB: stored(state="pending", version=2)}
    await rig.dispatcher.tick()
    assert rig.publisher.states == ["pending"]
    assert rig.publisher.requests == [(None, [JOB])]


async def test_a_job_that_somebody_else_moved_is_neither_announced_nor_requested() -> None:
    rig = Rig()
    rig.store.due_jobs = [stored(state="waiting", version=1)]
    rig.store.docs = {JOB: stored(state="cancelled", version=2)}
    await rig.dispatcher.tick()
    assert not rig.publisher.states
    assert not rig.publisher.requests


async def test_a_job_goes_to_a_partition_of_the_worker_that_knows_its_task() -> None:
    rig = Rig()
    rig.store.workers = [
        worker("w-1", tasks=["sleep"], partitions=[0]),
        worker("w-2", tasks=["noop"], partitions=[7]),
    ]
    rig.store.due_jobs = [stored()]
    rig.store.docs = {JOB: stored()}
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(7, [JOB])]


async def test_a_job_goes_to_the_only_worker_with_room() -> None:
    rig = Rig()
    rig.store.workers = [
        worker("w-1", tasks=["noop"], busy=10, partitions=[0]),
        worker("w-2", tasks=["noop"], partitions=[7]),
    ]
    rig.store.due_jobs = [stored()]
    rig.store.docs = {JOB: stored()}
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(7, [JOB])]


async def test_a_job_whose_task_nobody_alive_knows_is_not_tossed_about() -> None:
    rig = Rig()
    rig.store.workers = [worker("w-1", tasks=["sleep"])]
    rig.store.due_jobs = [stored()]
    rig.store.docs = {JOB: stored()}
    await rig.dispatcher.tick()
    assert not rig.publisher.requests


async def test_a_follower_does_nothing() -> None:
    rig = Rig()
    rig.store.leading = False
    rig.store.due_jobs = [stored()]
    await rig.dispatcher.tick()
    assert not rig.store.applied


async def test_leases_are_not_judged_before_one_whole_lease_of_contact() -> None:
    rig = Rig()
    rig.stall()
    await rig.live(10)
    assert not rig.moving.made
    await rig.live(1)
    assert rig.moving.targets() == ["waiting"]


async def test_an_outage_of_mongodb_starts_the_count_anew() -> None:
    rig = Rig()
    await rig.live(12)
    rig.stall()
    rig.reaping.lost_contact()
    await rig.live(10)
    assert not rig.moving.made


async def test_a_pause_of_this_process_starts_the_count_anew() -> None:
    rig = Rig()
    await rig.live(12)
    rig.stall()
    rig.now += 60
    await rig.live(10)
    assert not rig.moving.made


async def test_the_dead_are_not_judged_before_their_outcomes_are_applied() -> None:
    rig = Rig()
    rig.offsets.end, rig.offsets.done = 5, 4
    rig.stall()
    await rig.live(30)
    assert not rig.moving.made
    rig.offsets.done = 5
    await rig.live(1)
    assert rig.moving.targets() == ["waiting"]


async def test_the_dead_are_not_judged_while_kafka_is_away() -> None:
    rig = Rig()
    rig.offsets.away = True
    rig.stall()
    await rig.live(30)
    assert not rig.moving.made


async def test_a_stalled_job_without_attempts_left_becomes_a_dead_letter_once_taken_over() -> None:
    rig = Rig()
    rig.stall(failures=2)
    rig.store.matches = 1
    await rig.live(12)
    assert rig.publisher.letters[0].kind is ErrorKind.STALLED
    assert rig.publisher.letters[0].attempt == 3


async def test_no_letter_goes_out_for_a_job_that_another_dispatcher_took_over() -> None:
    rig = Rig()
    rig.stall(failures=2)
    rig.store.matches = 0
    await rig.live(12)
    assert not rig.publisher.letters


async def test_a_stalled_job_that_somebody_wants_cancelled_is_cancelled() -> None:
    rig = Rig()
    rig.stall(cancel_requested=True)
    await rig.live(11)
    assert rig.moving.targets() == ["cancelled"]


async def test_an_expired_job_gets_its_letter_instead_of_being_published_again() -> None:
    rig = Rig()
    late = stored(version=3, wake_at="seen", expire_by=NOW - timedelta(seconds=1))
    rig.store.due_jobs = [late]
    rig.store.docs = {JOB: {**late, "wake_at": "taken"}}
    await rig.dispatcher.tick()
    (letter,) = rig.publisher.letters
    assert (letter.kind, letter.version, letter.attempt) == (ErrorKind.EXPIRED, 3, 0)
    assert rig.publisher.requests == []


async def test_a_letter_for_an_expired_job_is_not_sent_when_somebody_else_has_moved_the_job() -> None:
    rig = Rig()
    late = stored(version=3, wake_at="seen", expire_by=NOW)
    for found in ({**late, "version": 4}, late):
        rig.store.due_jobs = [late]
        rig.store.docs = {JOB: found}
        await rig.dispatcher.tick()
    assert rig.publisher.letters == []


async def test_a_due_job_of_a_paused_task_is_parked() -> None:
    rig = Rig()
    rig.store.paused = {"noop": {"by": "person"}}
    rig.store.due_jobs = [stored(state="waiting", reason="retry", version=4)]
    rig.store.docs = {JOB: stored(state="waiting", reason="paused", version=5)}
    await rig.dispatcher.tick()
    assert rig.store.applied[0].update[0]["$set"]["reason"] == "paused"
    assert (rig.publisher.states, rig.publisher.requests) == (["waiting"], [])


async def test_parked_jobs_go_on_when_their_task_is_not_paused_any_more() -> None:
    rig = Rig()
    rig.store.waiting = [stored(state="waiting", reason="paused", version=4)]
    rig.store.docs = {JOB: stored(state="pending", version=5)}
    rig.store.paused = {"noop": {"by": "person"}}
    await rig.dispatcher.tick()
    assert rig.publisher.requests == []
    rig.store.paused = {}
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(None, [JOB])]
    assert rig.publisher.probes == []


async def test_one_parked_job_at_a_time_tries_whether_the_cause_is_gone() -> None:
    rig = Rig()
    rig.store.waiting = [stored(str(n), state="waiting", reason="paused", version=4) for n in range(3)]
    rig.store.docs = {"0": stored("0", state="pending", version=5)}
    rig.store.paused = {"noop": {"by": "brake"}}
    await rig.dispatcher.tick()
    assert rig.publisher.probes == []
    rig.store.probe_is_due = True
    await rig.dispatcher.tick()
    assert rig.publisher.probes == ["0"]


async def test_a_due_job_of_low_priority_waits_for_its_turn() -> None:
    rig = Rig()
    rig.store.due_jobs = [stored(state="waiting", reason="scheduled", priority="low")]
    rig.store.docs = {JOB: stored(state="waiting", reason="low_priority", version=2)}
    await rig.dispatcher.tick()
    assert rig.store.applied[0].update[0]["$set"]["reason"] == "low_priority"
    assert rig.publisher.requests == []


async def test_jobs_of_low_priority_yield_while_normal_ones_queue_but_for_a_trickle() -> None:
    rig = Rig()
    names = [str(n) for n in range(900)]
    rig.store.waiting = [stored(n, state="waiting", reason="low_priority", priority="low") for n in names]
    rig.store.docs = {n: stored(n, state="pending", version=2, priority="low") for n in names}
    rig.store.queues = True
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(None, ["0"])]
    rig.store.queues, rig.store.low_queued = False, 100
    await rig.dispatcher.tick()
    assert len(rig.publisher.requests[1][1]) == 400, "no more than 500 of them in the queue"

"""What the dispatcher wakes, publishes again and reaps."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import TopicPartition

from job_contracts.lifecycle import ErrorKind
from job_worker.dispatcher import Dispatcher, Step
from job_worker.due import Due
from job_worker.expiring import Expiring
from job_worker.reaping import Reaping
from job_worker.releasing import Releasing
from job_worker.settings import DispatcherSettings, WorkerSettings
from job_worker.turns import Turns
from service_chassis.metrics import Metrics
from service_chassis.offsets import OffsetsError
from service_chassis.publisher import PublishError
from tests.support.waiting import until_true
from tests.unit.job_worker.fakes import JOB, FakeMoving, FakePublisher, FakeStore, stored

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = WorkerSettings().lease


class FakeOffsets:
    def __init__(self) -> None:
        self.end, self.done, self.away = 0, 0, False
        self.asked = 0

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        self.asked += 1
        if self.away:
            raise OffsetsError("away")
        return {TopicPartition(topic, 0): self.end} if self.end else {}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        self.asked += 1
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
            batch=500,
            clock=lambda: self.now,
        )
        releasing = Releasing(store=self.store, publisher=self.publisher, metrics=Metrics())
        expiring = Expiring(store=self.store, publisher=self.publisher)
        due = Due(store=self.store, releasing=releasing, expiring=expiring, batch=500, metrics=Metrics())
        turns = Turns(store=self.store, releasing=releasing, queue=self.store, batch=500)
        self.steps: dict[str, Step] = {
            "expired": due.expired,
            "waiting": due.waiting,
            "pending": due.pending,
            "served": due.served,
            "after_pauses": turns.after_pauses,
            "low_priority": turns.low_priority,
            "overdue": self.reaping.reap_overdue,
            "dead_workers": self.reaping.reap_dead_workers,
        }
        self.dispatcher = Dispatcher(
            store=self.store,
            steps=self.steps,
            reaping=self.reaping,
            settings=DispatcherSettings(tick=timedelta(milliseconds=1)),
            clock=lambda: self.now,
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


@pytest.mark.parametrize("state", ["pending", "waiting"])
async def test_a_job_whose_task_nobody_alive_runs_waits_for_a_worker(state: str) -> None:
    rig = Rig()
    rig.store.workers = [worker("w-1", tasks=["sleep"])]
    rig.store.due_jobs = [stored(state=state)]
    rig.store.docs = {JOB: stored(state=state)}
    await rig.dispatcher.tick()
    assert not rig.publisher.requests
    assert rig.store.applied[-1].update[0]["$set"]["reason"] == "no_worker"


async def test_jobs_without_a_worker_go_on_as_soon_as_one_brings_their_task() -> None:
    rig = Rig()
    rig.store.workers = [worker("w-1", tasks=["sleep"])]
    rig.store.waiting = [stored(state="waiting", reason="no_worker", version=4)]
    rig.store.docs = {JOB: stored(state="pending", version=5)}
    await rig.dispatcher.tick()
    assert rig.store.applied == [], "they cost a look at an index"
    rig.store.workers = [worker("w-1", tasks=["sleep"]), worker("w-2", tasks=["noop"], partitions=[3])]
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(3, [JOB])]


@pytest.mark.parametrize(
    ("job", "paused", "reason"),
    [({}, {"noop": {"by": "person"}}, "paused"), ({"priority": "low"}, {}, "low_priority")],
)
async def test_a_job_that_has_found_a_worker_still_waits_for_a_pause_or_its_turn(
    job: dict[str, Any], paused: dict[str, Any], reason: str
) -> None:
    rig = Rig()
    rig.store.workers, rig.store.paused = [worker("w-1", tasks=["noop"])], paused
    rig.store.waiting = [stored(state="waiting", reason="no_worker", version=4, **job)]
    await rig.dispatcher.tick()
    assert rig.store.applied[0].update[0]["$set"]["reason"] == reason
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


async def test_a_normal_job_whose_message_is_lost_holds_no_job_of_low_priority_back() -> None:
    rig = Rig()
    names = [str(n) for n in range(900)]
    rig.store.waiting = [stored(n, state="waiting", reason="low_priority", priority="low") for n in names]
    rig.store.docs = {n: stored(n, state="pending", version=2, priority="low") for n in names}
    rig.store.queues, rig.store.low_queued, rig.store.messages = True, 500, 0
    await rig.dispatcher.tick()
    assert len(rig.publisher.requests[0][1]) == 500, "nothing is on the topic, so nothing queues"
    rig.store.messages = 501
    await rig.dispatcher.tick()
    assert len(rig.publisher.requests[1][1]) == 1, (
        "500 of them are of low priority: a normal one is among them"
    )


def overdue(number: int, **changes: Any) -> list[Mapping[str, Any]]:
    return [stored(str(n), state="running", version=2, worker="w-1", **changes) for n in range(number)]


async def test_overdue_jobs_that_cannot_be_judged_yet_share_one_question_and_are_looked_at_later() -> None:
    rig = Rig()
    rig.offsets.end, rig.offsets.done = 5, 4
    rig.store.due_jobs = [*overdue(500), stored(state="waiting")]
    rig.store.docs = {JOB: stored(state="pending", version=2)}
    await rig.dispatcher.tick()
    assert rig.offsets.asked == 4, "two topics' ends and two groups' commits, however many jobs there are"
    held = [move for move in rig.store.applied if move.filter.get("state") == "running"]
    assert [len(move.filter["_id"]["$in"]) for move in held] == [500]
    assert rig.publisher.requests == [(None, [JOB])]
    assert not rig.moving.made


async def test_an_overdue_job_is_judged_by_what_was_published_when_it_was_first_seen() -> None:
    rig = Rig()
    rig.offsets.end, rig.offsets.done = 5, 4
    rig.store.due_jobs = overdue(3)
    await rig.live(1)
    rig.store.due_jobs = []
    await rig.live(40)
    rig.store.due_jobs = overdue(3)
    rig.offsets.end, rig.offsets.done = 50, 5
    await rig.live(1)
    assert rig.moving.targets() == ["waiting"] * 3


async def test_a_worker_is_not_judged_by_an_answer_that_took_half_a_lease() -> None:
    rig = Rig()
    await rig.live(12)
    rig.stall()

    async def lapsed_workers() -> set[str]:
        rig.now += LEASE.total_seconds() / 2 + 1
        return {"w-dead"}

    rig.store.lapsed_workers = lapsed_workers  # type: ignore[method-assign]
    await rig.live(1)
    assert not rig.moving.made


async def test_a_step_that_hangs_and_one_that_fails_do_not_stop_the_others() -> None:
    rig = Rig()

    async def hang() -> bool:
        await asyncio.Event().wait()
        return True

    async def fail() -> bool:
        raise KeyError("a bug")

    async def away() -> bool:
        raise PublishError("Kafka is away")

    rig.steps |= {"expired": hang, "pending": fail, "overdue": away}
    rig.store.due_jobs = [stored(state="waiting")]
    rig.store.docs = {JOB: stored(state="pending", version=2)}
    async with rig.dispatcher:
        await until_true(
            lambda: len(rig.publisher.requests) > 2, within=5, what="releases beside them", every=0.001
        )


async def test_one_bad_record_is_set_aside_and_the_others_go_on() -> None:
    rig = Rig()
    rig.store.due_jobs = [stored(n, state="waiting") for n in ("a", "b", "bad", "c")]
    rig.store.docs = {n: stored(n, state="pending", version=2) for n in ("a", "b", "bad", "c")}
    rig.publisher.refuses = {"bad"}
    await rig.dispatcher.tick()
    assert {job for _, jobs in rig.publisher.requests for job in jobs} == {"a", "b", "c"}
    aside = rig.store.applied[-1]
    assert (aside.filter["_id"], aside.filter["version"]) == ("bad", 1)


async def test_letters_of_the_dead_that_cannot_be_sent_keep_nobody_from_going_on() -> None:
    rig = Rig()
    rig.store.due_jobs = [stored(state="waiting"), stored("late", version=3, wake_at="seen", expire_by=NOW)]
    rig.store.docs = {
        JOB: stored(state="pending", version=2),
        "late": stored("late", version=3, wake_at="taken", expire_by=NOW),
    }
    rig.publisher.away_for_letters = True
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(None, [JOB])]


def of_version(name: str, digest: str, partition: int) -> dict[str, Any]:
    return {**worker(name, tasks=["noop"], partitions=[partition]), "versions": [f"noop@{digest}"]}


async def test_a_job_goes_to_a_worker_whose_version_has_not_refused_it() -> None:
    rig = Rig()
    rig.store.workers = [of_version("w-1", "old", 0), of_version("w-2", "new", 7)]
    rig.store.due_jobs = [stored(state="pending", refused=["old"])]
    rig.store.docs = {JOB: stored(state="pending", refused=["old"])}
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(7, [JOB])]


async def test_a_job_that_all_live_versions_have_refused_waits_for_another_one() -> None:
    rig = Rig()
    rig.store.workers = [of_version("w-1", "old", 0), of_version("w-2", "new", 7)]
    rig.store.due_jobs = [stored(state="pending", refused=["new", "old"])]
    rig.store.docs = {JOB: stored(state="pending", refused=["new", "old"])}
    await rig.dispatcher.tick()
    assert rig.publisher.requests == []
    assert rig.store.applied[-1].update[0]["$set"]["reason"] == "no_worker"


async def test_a_job_that_all_live_versions_have_refused_is_left_alone_until_there_is_another_one() -> None:
    rig = Rig()
    rig.store.workers = [of_version("w-1", "old", 0), of_version("w-2", "new", 7)]
    rig.store.waiting = [stored(state="waiting", reason="no_worker", version=4, refused=["new", "old"])]
    rig.store.docs = {JOB: stored(state="pending", version=5, refused=["new", "old"])}
    await rig.dispatcher.tick()
    assert rig.store.applied == []
    rig.store.workers = [*rig.store.workers, of_version("w-3", "newest", 9)]
    await rig.dispatcher.tick()
    assert rig.publisher.requests == [(9, [JOB])]

"""What becomes of a claimed job."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import Raw
from pydantic import BaseModel, ConfigDict

from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import JobFailed, JobSucceeded
from job_contracts.record import give_back
from job_worker import attempt_runner
from job_worker.execution import Execution
from job_worker.lanes import Lanes
from job_worker.processes import Processes
from job_worker.slots import Slots
from job_worker.tasks import JobsOwnFault, JobsOwnTrouble, RateLimited, Reject, Retry, Task, TaskContext, task
from service_chassis.server import Grace
from tests.support.waiting import until_true
from tests.unit.job_worker.fakes import JOB, FakeBrake, FakeMoving, FakeOutcomes, requested


class Empty(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Rig:
    """An execution with two slots and the given task."""

    def __init__(self, run: Task) -> None:
        self.slots, self.outcomes, self.moving = Slots(2), FakeOutcomes(), FakeMoving()
        self.brake = FakeBrake()
        self.lanes = Lanes(self.slots, threads=2, clock=time.monotonic)
        self.execution = Execution(
            tasks={run.name: run},
            resources={},
            lanes=self.lanes,
            processes=Processes(most=1, memory=1 << 29, tasks=lambda: [run]),
            outcomes=self.outcomes,  # type: ignore[arg-type]
            moving=self.moving,  # type: ignore[arg-type]
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            brake=self.brake,  # type: ignore[arg-type]
            retention=timedelta(days=7),
            grace=Grace(timedelta(seconds=11)),
        )

    @property
    def success(self) -> JobSucceeded:
        (outcome,) = self.outcomes.published
        assert isinstance(outcome, JobSucceeded)
        return outcome

    @property
    def letter(self) -> JobFailed:
        (letter,) = self.outcomes.published
        assert isinstance(letter, JobFailed)
        return letter

    async def run(self, **changes: Any) -> None:
        request = requested(task="it", **changes)
        self.execution.start(request, worker="w-1")
        attempt = self.execution.running[request.job_id, request.version + 1].attempt
        assert attempt is not None
        await asyncio.wait_for(attempt, 5)


async def _value(payload: Empty, context: TaskContext) -> Any:
    return {"attempt": context.attempt}


async def test_a_returned_value_is_published_as_the_result_of_the_running_version() -> None:
    rig = Rig(task("it")(_value))
    await rig.run()
    outcome = rig.success
    assert bytes(outcome.result) == b'{"attempt":1}'
    assert outcome.version == 2
    assert rig.slots.busy == 0


async def test_a_job_whose_outcome_is_on_its_way_has_left_its_slot() -> None:
    rig = Rig(task("it")(_value))
    rig.outcomes.open.clear()
    running = asyncio.create_task(rig.run())
    await asyncio.sleep(0.05)  # the task has returned, its result waits for Kafka
    assert rig.slots.busy == 0
    assert len(rig.execution.running) == 1
    rig.outcomes.open.set()
    await running
    assert len(rig.outcomes.published) == 1
    assert not rig.execution.running


async def test_a_task_learns_whose_job_it_runs() -> None:
    async def whose(payload: Empty, context: TaskContext) -> Any:
        return context.owner

    rig = Rig(task("it")(whose))
    await rig.run(owner="somebody")
    outcome = rig.success
    assert bytes(outcome.result) == b'"somebody"'


async def test_a_payload_the_task_does_not_take_is_rejected_and_names_the_field() -> None:
    rig = Rig(task("it")(_value))
    await rig.run(payload=Raw(b'{"colour": 1}'))
    letter = rig.letter
    assert letter.kind is ErrorKind.REJECTED
    assert letter.error.type == "InvalidPayload"
    assert "/colour" in letter.error.message


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Retry("later"), "waiting"),
        (RuntimeError("a bug"), "waiting"),
        (RateLimited("full", until=timedelta(seconds=30)), "waiting"),
        (TimeoutError("an upstream's"), "waiting"),
    ],
)
async def test_what_another_attempt_may_cure_waits(error: Exception, state: str) -> None:
    async def fails(payload: Empty, context: TaskContext) -> Any:
        raise error

    rig = Rig(task("it")(fails))
    await rig.run()
    assert rig.moving.targets() == [state]
    assert not rig.outcomes.published


@pytest.mark.parametrize(
    ("error", "attempt", "kind"),
    [
        (Reject("no"), 1, ErrorKind.REJECTED),
        (Retry("later"), 3, ErrorKind.EXHAUSTED),
        (ValueError("a bug"), 3, ErrorKind.EXHAUSTED),
    ],
)
async def test_what_no_attempt_can_cure_becomes_a_dead_letter(
    error: Exception, attempt: int, kind: ErrorKind
) -> None:
    async def fails(payload: Empty, context: TaskContext) -> Any:
        raise error

    rig = Rig(task("it")(fails))
    await rig.run(attempt=attempt)
    letter = rig.letter
    assert (letter.kind, letter.attempt) == (kind, attempt)


async def test_a_rate_limit_on_the_last_attempt_still_burns_nothing() -> None:
    async def limited(payload: Empty, context: TaskContext) -> Any:
        raise RateLimited("full", until=timedelta(seconds=30))

    rig = Rig(task("it")(limited))
    await rig.run(attempt=3)
    assert "failures" not in rig.moving.made[0][2][0].update[0]["$set"]


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (Reject("no"), ["Reject"]),
        (Retry("later"), ["Retry"]),
        (RateLimited("full", until=timedelta(seconds=30)), []),
        (JobsOwnFault("not you"), []),
        (JobsOwnTrouble("not there"), []),
    ],
)
async def test_the_brake_is_not_told_of_what_concerns_one_job_alone(
    error: Exception, counted: list[str]
) -> None:
    async def fails(payload: Empty, context: TaskContext) -> Any:
        raise error

    rig = Rig(task("it")(fails))
    await rig.run()
    assert rig.brake.ends == counted


async def test_a_task_may_know_its_limit_and_the_trace_it_belongs_to() -> None:
    async def tells(payload: Empty, context: TaskContext) -> Any:
        return [context.timeout, context.traceparent]

    rig = Rig(task("it")(tells))
    await rig.run(timeout=2.5, traceparent="00-1-2-01")
    outcome = rig.success
    assert bytes(outcome.result) == b'[2.5,"00-1-2-01"]'


async def test_an_attempt_that_outlives_its_timeout_is_ended() -> None:
    async def slow(payload: Empty, context: TaskContext) -> Any:
        await asyncio.sleep(60)

    rig = Rig(task("it")(slow))
    await rig.run(timeout=0.05, max_attempts=1)
    assert rig.letter.kind is ErrorKind.TIMED_OUT


async def test_a_coroutine_that_has_had_its_time_may_still_say_how_it_ends() -> None:
    async def tidy(payload: Empty, context: TaskContext) -> Any:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            raise Reject("half done") from error

    rig = Rig(task("it")(tidy))
    await rig.run(timeout=0.05)
    assert rig.letter.kind is ErrorKind.REJECTED


async def test_whatever_a_thread_says_beyond_its_time_comes_too_late() -> None:
    def stubborn(payload: Empty, context: TaskContext) -> Any:
        while not context.cancelled:
            time.sleep(0.01)
        raise Reject("half done")

    rig = Rig(task("it")(stubborn))
    await rig.run(timeout=0.05, max_attempts=1)
    assert rig.letter.kind is ErrorKind.TIMED_OUT


async def test_a_time_limit_of_the_tasks_own_is_no_end_of_the_attempts_time() -> None:
    async def impatient(payload: Empty, context: TaskContext) -> Any:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    rig = Rig(task("it")(impatient))
    await rig.run(timeout=30, max_attempts=1)
    letter = rig.letter
    assert (letter.kind, letter.error.type) == (ErrorKind.EXHAUSTED, "TimeoutError")


async def test_a_plain_function_keeps_its_place_until_its_thread_ends() -> None:
    release, ended = threading.Event(), threading.Event()

    def stubborn(payload: Empty, context: TaskContext) -> Any:
        release.wait(5)
        ended.set()

    rig = Rig(task("it")(stubborn))
    running = asyncio.create_task(rig.run(timeout=0.05))
    await asyncio.sleep(0.2)  # well past the timeout: the place must still be taken
    assert rig.lanes.threads.slots.busy == 1
    release.set()
    await running
    assert ended.is_set()
    assert rig.lanes.threads.slots.busy == 0
    assert rig.moving.targets() == ["waiting"]


async def test_a_plain_function_that_raises_stop_iteration_ends_as_what_it_raised() -> None:
    def spent(payload: Empty, context: TaskContext) -> Any:
        next(iter([]))

    rig = Rig(task("it")(spent))
    await rig.run(max_attempts=1)
    assert (rig.letter.kind, rig.letter.error.type) == (ErrorKind.EXHAUSTED, "StopIteration")
    assert rig.lanes.threads.slots.busy == 0


async def test_a_function_that_will_not_end_is_abandoned_and_recorded_as_timed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def stubborn(payload: Empty, context: TaskContext) -> Any:
        release.wait(20)

    rig = Rig(task("it")(stubborn))
    monkeypatch.setattr(rig.execution._threads, "_patience", timedelta(seconds=0.05))
    await rig.run(timeout=0.05, max_attempts=1)
    assert rig.letter.kind is ErrorKind.TIMED_OUT
    assert JOB in rig.execution.living, "it is not started here while it lives"
    assert rig.execution.abandoned == 1
    assert rig.lanes.threads.slots.busy == 0
    release.set()
    await until_true(lambda: not rig.execution.living, within=5, what="the thread to end")


async def test_a_busy_thread_is_given_back_when_the_worker_ends() -> None:
    began, release = threading.Event(), threading.Event()

    def stubborn(payload: Empty, context: TaskContext) -> Any:
        began.set()
        release.wait(20)

    rig = Rig(task("it")(stubborn))
    running = asyncio.create_task(rig.run(timeout=60))
    await until_true(began.is_set, within=5, what="the function to begin")
    await rig.execution.__aexit__()
    await running
    assert rig.moving.targets() == ["pending"]
    release.set()


async def test_a_plain_function_takes_no_slot_of_a_coroutine_and_a_task_may_have_its_own_threads() -> None:
    def computes(payload: Empty, context: TaskContext) -> Any:
        return None

    assert Rig(task("it")(computes)).lanes.of(task("it")(computes)).slots.total == 2
    assert Rig(task("it")(computes)).lanes.of(task("it", threads=7)(computes)).slots.total == 7
    rig = Rig(task("it")(_value))
    assert rig.lanes.of(task("it")(_value)).slots is rig.slots


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "2"])
def test_a_number_of_threads_that_makes_no_sense_is_refused_at_once(threads: Any) -> None:
    def computes(payload: Empty, context: TaskContext) -> Any:
        return None

    with pytest.raises((TypeError, ValueError), match="threads must be"):
        task("it", threads=threads)(computes)


def test_a_coroutine_takes_no_threads() -> None:
    with pytest.raises(ValueError, match="takes no threads"):
        task("it", threads=2)(_value)


async def test_a_result_that_is_too_large_fails_for_good() -> None:
    async def verbose(payload: Empty, context: TaskContext) -> str:
        return "x" * 600_000

    rig = Rig(task("it")(verbose))
    await rig.run()
    assert rig.letter.error.type == "ResultTooLarge"


async def test_a_cancelled_job_is_stopped_and_publishes_nothing() -> None:
    started = asyncio.Event()

    async def slow(payload: Empty, context: TaskContext) -> Any:
        started.set()
        await asyncio.sleep(60)

    rig = Rig(task("it")(slow))
    running = asyncio.create_task(rig.run())
    await started.wait()
    rig.execution.cancel(JOB, 2)
    await running
    assert rig.moving.targets() == ["cancelled"]
    assert not rig.outcomes.published


@pytest.mark.parametrize("whole", [False, True])
async def test_a_task_that_will_not_be_cancelled_ends_as_what_interrupted_it_unless_its_return_is_whole(
    whole: bool,
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    left: list[int] = []

    async def stubborn(payload: Empty, context: TaskContext) -> Any:
        started.set()
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                left.append(len(left))
        if whole:
            context.finished()
        return "done"

    rig = Rig(task("it")(stubborn))
    running = asyncio.create_task(rig.run())
    await started.wait()
    attempt = rig.execution.running[JOB, 2].attempt
    assert attempt is not None
    rig.execution.cancel(JOB, 2)
    await asyncio.sleep(0)
    rig.execution.drop(lambda _: True)
    await asyncio.sleep(0)
    go_on.set()
    await running
    assert left == [0, 1], "both wishes reached it"
    assert attempt.cancelling() == 0
    assert len(rig.outcomes.published) == int(whole)
    assert rig.moving.targets() == ([] if whole else ["pending"])


async def test_a_dropped_job_is_given_back_after_its_coroutine_ended() -> None:
    order: list[str] = []
    started = asyncio.Event()

    async def slow(payload: Empty, context: TaskContext) -> Any:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            order.append("task ended")

    rig = Rig(task("it")(slow))
    make = rig.moving.make

    async def noted(*args: Any) -> bool:
        order.append("given back")
        return await make(*args)

    rig.moving.make = noted  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(rig.run())
    await started.wait()
    rig.execution.drop(lambda job: job.worker == "w-1")
    await running
    assert order == ["task ended", "given back"]
    assert rig.moving.targets() == ["pending"]


async def test_an_outcome_on_its_way_to_kafka_is_not_given_back() -> None:
    rig = Rig(task("it")(_value))
    rig.outcomes.open.clear()
    running = asyncio.create_task(rig.run())
    await asyncio.sleep(0.05)  # the task has returned, its result waits for Kafka
    rig.execution.drop(lambda _: True)
    rig.outcomes.open.set()
    await running
    assert len(rig.outcomes.published) == 1
    assert not rig.moving.made


async def test_the_end_of_one_attempt_leaves_the_next_one_of_the_same_job_known() -> None:
    ends = {1: asyncio.Event(), 2: asyncio.Event()}

    async def waits(payload: Empty, context: TaskContext) -> Any:
        await ends[context.attempt].wait()

    rig = Rig(task("it")(waits))
    first = asyncio.create_task(rig.run())
    second = asyncio.create_task(rig.run(version=3, attempt=2))
    await until_true(lambda: len(rig.execution.running) == 2, within=5, what="both to run")
    ends[1].set()
    await first
    assert list(rig.execution.running) == [(JOB, 4)]
    rig.execution.cancel(JOB, 2)
    rig.execution.cancel(JOB, 4)
    await second
    assert rig.moving.targets() == ["cancelled"]


class Line:
    """Two jobs that keep both slots until they may go on, and one in line behind them."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ran: list[str] = []

        async def waits(payload: Empty, context: TaskContext) -> Any:
            self.ran.append(context.job_id)
            await self.go_on.wait()

        self.rig = Rig(task("it")(waits))
        for job_id in ("first", "second", "third"):
            self.rig.execution.start(requested(task="it", job_id=job_id), worker="w-1")
        attempt = self.rig.execution.running["third", 2].attempt
        assert attempt is not None
        self.attempt = attempt

    async def end(self) -> None:
        self.go_on.set()
        await asyncio.wait_for(self.attempt, 5)
        await until_true(lambda: not self.rig.execution.running, within=5, what="all attempts to end")
        assert self.rig.slots.busy == 0


async def test_a_job_in_line_runs_when_a_slot_is_free() -> None:
    line = Line()
    await asyncio.sleep(0.02)
    assert line.ran == ["first", "second"]
    await line.end()
    assert line.ran == ["first", "second", "third"]
    third = line.rig.outcomes.published[-1]
    assert isinstance(third, JobSucceeded)
    assert third.run_seconds < 0.02, "the time in line is none of the task"


async def test_a_job_in_line_is_cancelled_where_it_stands() -> None:
    line = Line()
    await asyncio.sleep(0.02)
    line.rig.execution.cancel("third", 2)
    await asyncio.wait_for(line.attempt, 5)
    assert line.rig.moving.targets() == ["cancelled"]
    assert line.rig.slots.busy == 2
    await line.end()
    assert line.ran == ["first", "second"]


async def test_a_job_in_line_for_too_long_may_run_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_runner, "_IN_LINE", timedelta(seconds=0.05))
    line = Line()
    await asyncio.wait_for(line.attempt, 5)
    assert line.rig.moving.targets() == ["pending"]
    await line.end()
    assert line.ran == ["first", "second"]
    assert line.rig.brake.ends == [None, None], "waiting in line is no failure of the task"


async def test_jobs_in_line_are_given_back_when_the_lease_has_lapsed() -> None:
    line = Line()
    await asyncio.sleep(0.02)
    line.rig.execution.drop(lambda job: job.turn is not None)
    await asyncio.wait_for(line.attempt, 5)
    assert line.rig.moving.targets() == ["pending"]
    await line.end()


async def test_the_log_of_an_attempt_is_stored_before_its_end() -> None:
    async def tells(payload: Empty, context: TaskContext) -> None:
        context.log("first")
        context.log("ü" * 2_000, "warning")

    rig = Rig(task("it")(tells))
    await rig.run()
    (noted,) = rig.moving.noted
    lines = noted.update[0]["$set"]["logs"]["$slice"][0]["$concatArrays"][1]["$literal"]
    assert [(line["attempt"], line["level"], line["message"]) for line in lines] == [
        (1, "info", "first"),
        (1, "warning", "ü" * 512),
    ]
    assert noted.filter["version"] == 2


async def test_the_brake_hears_of_ends_but_not_of_the_jobs_own_faults_nor_of_rate_limits() -> None:
    ends: list[Exception | None] = [
        Reject("no"),
        None,
        RateLimited("full", until=timedelta(1)),
        KeyError("k"),
    ]

    async def ends_so(payload: Empty, context: TaskContext) -> None:
        if (error := ends.pop(0)) is not None:
            raise error

    rig = Rig(task("it")(ends_so))
    await rig.run(payload=Raw(b'{"colour": 1}'))
    for _ in range(4):
        await rig.run()
    assert rig.brake.ends == ["Reject", None, "KeyError"]


async def test_a_failure_for_which_the_task_is_paused_costs_the_job_nothing() -> None:
    async def refused(payload: Empty, context: TaskContext) -> None:
        raise Reject("no")

    rig = Rig(task("it")(refused))
    rig.brake.held = "Reject"
    await rig.run()
    assert rig.outcomes.published == []
    assert rig.moving.targets() == ["waiting"]
    assert "failures" not in rig.moving.made[0][2][0].update[0]["$set"]
    await rig.run(probe=True)
    assert [type(outcome) for outcome in rig.outcomes.published] == [JobFailed]


async def test_a_job_counts_as_ended_from_the_end_of_its_task() -> None:
    rig = Rig(task("it")(_value))
    rig.outcomes.open.clear()
    rig.execution.start(requested(task="it"), worker="w-1")
    (job,) = rig.execution.running.values()
    before = job.ended
    await until_true(lambda: job.sending is not None, within=5, what="the outcome to be sent")
    assert (before, job.ended) == (False, True)
    rig.outcomes.open.set()
    await until_true(lambda: not rig.execution.running, within=5, what="the job to be gone")


async def test_a_payload_judged_by_another_version_is_given_back_and_consumes_no_attempt() -> None:
    rig = Rig(old := task("it")(_value))
    await rig.run(payload=Raw(b'{"colour": 1}'), digest="new")
    assert rig.outcomes.published == []
    ((_, _, (move, _)),) = rig.moving.made
    assert move == give_back(JOB, 2, refused=old.digest)


async def test_a_payload_judged_by_another_version_runs_where_the_model_takes_it() -> None:
    rig = Rig(task("it")(_value))
    await rig.run(digest="new")
    assert rig.success.version == 2


async def test_a_payload_that_its_own_version_does_not_take_is_rejected() -> None:
    rig = Rig(own := task("it")(_value))
    await rig.run(payload=Raw(b'{"colour": 1}'), digest=own.digest)
    assert rig.letter.kind is ErrorKind.REJECTED

"""Whatever a task does ends in exactly one outcome, and costs nobody else anything."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import uvloop
from msgspec import Raw
from pydantic import BaseModel, field_validator, model_serializer

from job_contracts.lifecycle import ErrorKind
from job_worker import attempt_runner
from job_worker.tasks import Reject, TaskContext, task
from service_chassis.enduring import run_on
from tests.support.waiting import until_true
from tests.unit.job_worker.fakes import JOB
from tests.unit.job_worker.test_execution import Empty, Rig


class OddError(BaseException):
    """No `Exception`, as libraries have them for what nobody shall catch."""


BASE_ERRORS: list[Callable[[], BaseException]] = [
    lambda: SystemExit(3),
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    OddError,
    lambda: BaseExceptionGroup("many", [SystemExit(1)]),
    lambda: RecursionError("deep"),
    MemoryError,
    StopAsyncIteration,
    lambda: OSError("caf\udce9"),
]


@pytest.mark.parametrize("kind", ["coroutine", "thread"])
@pytest.mark.parametrize("make", BASE_ERRORS)
async def test_whatever_a_task_raises_is_a_failed_attempt_of_that_type(
    make: Callable[[], BaseException], kind: str
) -> None:
    async def in_coroutine(payload: Empty, context: TaskContext) -> None:
        raise make()

    def in_thread(payload: Empty, context: TaskContext) -> None:
        raise make()

    rig = Rig(task("it")(in_coroutine if kind == "coroutine" else in_thread))
    await rig.run()
    assert rig.moving.targets() == ["waiting"]
    assert rig.moving.made[0][2][0].update[0]["$set"]["failures"], "the attempt counts"
    await rig.run(attempt=3)
    assert rig.letter.kind is ErrorKind.EXHAUSTED
    assert rig.letter.error.type == type(make()).__name__
    assert rig.slots.busy == 0
    assert not rig.execution.running


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, OddError, GeneratorExit])
@pytest.mark.parametrize("heard", [True, False])
def test_an_exit_of_a_tasks_background_task_is_a_failed_attempt_and_all_else_goes_on(
    new_loop: Callable[[], asyncio.AbstractEventLoop], error: type[BaseException], heard: bool
) -> None:
    async def leaves() -> None:
        raise error

    async def starts_one(payload: Empty, context: TaskContext) -> None:
        background = asyncio.create_task(leaves())
        await (background if heard else asyncio.sleep(60))

    rig, went_on = Rig(task("it")(starts_one)), False

    async def main() -> None:
        nonlocal went_on
        async with rig.execution:
            await rig.run(attempt=3)
        went_on = True

    run_on(new_loop(), main())
    assert went_on
    assert rig.letter.error.type == error.__name__


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_exits_out_of_callbacks_and_of_tasks_beyond_their_attempt_end_nothing(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    beyond: list[asyncio.Task[None]] = []

    async def leaves() -> None:
        await asyncio.sleep(0.01)
        sys.exit(4)

    async def goes(payload: Empty, context: TaskContext) -> str:
        loop = asyncio.get_running_loop()
        loop.call_soon(sys.exit, 3)
        loop.call_soon(loop.stop)
        beyond.append(asyncio.create_task(leaves()))
        return "done"

    rig = Rig(task("it")(goes))

    async def main() -> None:
        async with rig.execution:
            await rig.run()
        await asyncio.wait(beyond)

    run_on(new_loop(), main())
    assert bytes(rig.success.result) == b'"done"'


def test_what_the_service_itself_raises_ends_it() -> None:
    async def main() -> None:
        raise SystemExit("cannot listen")

    with pytest.raises(SystemExit, match="cannot listen"):
        run_on(asyncio.new_event_loop(), main())


def test_a_task_that_will_not_be_cancelled_does_not_keep_the_process() -> None:
    async def stays() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    kept: list[Any] = []

    async def main() -> None:
        kept.append(asyncio.create_task(stays()))
        await asyncio.sleep(0)

    run_on(asyncio.new_event_loop(), main())
    assert not kept[0].done()


async def _cancels_itself(payload: Empty, context: TaskContext) -> str:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    return "done"


async def _cancels_itself_later(payload: Empty, context: TaskContext) -> str:
    current = asyncio.current_task()
    assert current is not None
    asyncio.get_running_loop().call_later(0.02, current.cancel)
    return "done"


@pytest.mark.parametrize("function", [_cancels_itself, _cancels_itself_later])
async def test_a_task_that_cancels_its_own_asyncio_task_and_returns_has_returned(
    function: Callable[..., Awaitable[str]],
) -> None:
    rig = Rig(task("it")(function))
    rig.outcomes.open.clear()
    asyncio.get_running_loop().call_later(0.1, rig.outcomes.open.set)
    await rig.run()
    assert bytes(rig.outcomes.published[-1].result) == b'"done"'  # type: ignore[union-attr]
    assert not rig.moving.made


async def test_a_cancel_that_a_task_asks_of_itself_is_a_failed_attempt() -> None:
    async def cancels(payload: Empty, context: TaskContext) -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await asyncio.sleep(60)

    rig = Rig(task("it")(cancels))
    await rig.run(attempt=3)
    assert rig.letter.error.type == "CancelledError"


class Whole(BaseModel):
    whole: int


async def test_a_validation_error_of_the_task_itself_is_an_error_like_any_other() -> None:
    async def validates(payload: Empty, context: TaskContext) -> None:
        Whole.model_validate({"whole": "half"})

    rig = Rig(task("it")(validates))
    await rig.run()
    assert rig.moving.targets() == ["waiting"]
    assert rig.brake.ends == ["ValidationError"]


class Exploding(BaseModel):
    @model_serializer
    def explode(self) -> dict[str, Any]:
        raise RuntimeError("no words")


class Number(BaseModel):
    number: float


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _deep(levels: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(levels - 1):
        deep = [deep]
    return deep


BAD_RESULTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: float("nan"), "nan is not a JSON number"),
    (lambda: {"a": [1, float("inf")]}, "/a/1: inf"),
    (lambda: {"a": None, "b": Number(number=float("-inf"))}, "/b/number: -inf"),
    (lambda: 10**5000, "out of the range of a double"),
    (lambda: {"a": -(10**400)}, "/a: the number is out of the range"),
    (lambda: _deep(66), "nested deeper than 64 levels"),
    (lambda: _deep(100_000), ""),
    (_circle, "cannot be written as JSON"),
    (lambda: "caf\udce9", "cannot be written as JSON"),
    (lambda: {"\ud800": 1}, "cannot be written as JSON"),
    (lambda: ["a\0b"], "/0: a string must not hold NUL"),
    (lambda: b"\xff", "cannot be written as JSON"),
    (object, "cannot be written as JSON"),
    (Exploding, "no words"),
    (lambda: sys, "cannot be written as JSON"),
]


@pytest.mark.parametrize(("make", "said"), BAD_RESULTS)
async def test_a_result_no_document_may_hold_is_named_as_such_and_counts_as_the_tasks_bug(
    make: Callable[[], Any], said: str
) -> None:
    async def returns(payload: Empty, context: TaskContext) -> Any:
        return make()

    rig = Rig(task("it")(returns))
    await rig.run()
    assert rig.moving.targets() == ["waiting"]
    assert rig.brake.ends == ["InvalidResult"]
    await rig.run(attempt=3)
    assert rig.letter.error.type == "InvalidResult"
    assert said in rig.letter.error.message


@pytest.mark.parametrize(
    "value", [None, [None], {"a": [1.5, None]}, Decimal("1.5"), _deep(65), "\\u0000", 10**299, ["["] * 500]
)
async def test_a_result_that_everybody_reads_alike_is_stored(value: Any) -> None:
    async def returns(payload: Empty, context: TaskContext) -> Any:
        return value

    rig = Rig(task("it")(returns))
    await rig.run()
    assert rig.success.attempt == 1


async def test_a_return_that_does_not_fit_the_annotation_is_an_invalid_result() -> None:
    async def returns(payload: Empty, context: TaskContext) -> int:
        return "seven"  # type: ignore[return-value]

    rig = Rig(task("it")(returns))
    await rig.run(attempt=3)
    assert rig.letter.kind is ErrorKind.EXHAUSTED
    assert rig.letter.error.type == "InvalidResult"
    assert "not what the task says it returns: /" in rig.letter.error.message


class Picky(BaseModel):
    name: str = ""

    @field_validator("name")
    @classmethod
    def judge(cls, name: str) -> str:
        if name == "exit":
            sys.exit(3)
        raise LookupError(name)


@pytest.mark.parametrize(("name", "error"), [("exit", "SystemExit"), ("other", "LookupError")])
async def test_a_payload_model_that_raises_is_a_failed_attempt_of_that_type(name: str, error: str) -> None:
    async def picky(payload: Picky, context: TaskContext) -> None:
        pass

    rig = Rig(task("it")(picky))
    await rig.run(payload=Raw(b'{"name": "%s"}' % name.encode()), attempt=3)
    assert (rig.letter.kind, rig.letter.error.type) == (ErrorKind.EXHAUSTED, error)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("told_by", ["timeout", "cancel", "shutdown"])
@pytest.mark.parametrize("kind", ["coroutine", "thread"])
async def test_what_was_interrupted_ends_as_what_interrupted_it_unless_its_return_is_whole(
    kind: str, told_by: str, whole: bool
) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def heeds(payload: Empty, context: TaskContext) -> str:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if whole:
                context.finished()
        return "half"

    def heeds_in_thread(payload: Empty, context: TaskContext) -> str:
        loop.call_soon_threadsafe(started.set)
        while not context.cancelled:
            time.sleep(0.005)
        if whole:
            context.finished()
        return "half"

    rig = Rig(task("it")(heeds if kind == "coroutine" else heeds_in_thread))
    running = asyncio.create_task(rig.run(timeout=0.1 if told_by == "timeout" else 30))
    await started.wait()
    if told_by == "cancel":
        rig.execution.cancel(JOB, 2)
    elif told_by == "shutdown":
        rig.execution.drop(lambda _: True)
    await running
    if whole:
        assert bytes(rig.success.result) == b'"half"'
        return
    assert not rig.outcomes.published
    assert rig.moving.targets() == {
        "timeout": ["waiting"], "cancel": ["cancelled"], "shutdown": ["pending"]
    }[told_by]  # fmt: skip


async def test_an_error_while_tidying_up_after_a_timeout_is_the_timeout_and_a_reject_is_a_reject() -> None:
    async def tidies(payload: Empty, context: TaskContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            if context.attempt == 3:
                raise ValueError("while tidying up")
            raise Reject("half done")

    rig = Rig(task("it")(tidies))
    await rig.run(timeout=0.02, attempt=3)
    assert (rig.letter.kind, rig.letter.error.type) == (ErrorKind.TIMED_OUT, "AttemptTimedOut")
    await rig.run(timeout=0.02, attempt=2)
    assert [letter.kind for letter in rig.outcomes.published] == [  # type: ignore[union-attr]
        ErrorKind.TIMED_OUT,
        ErrorKind.REJECTED,
    ]


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_runner, "_ASK_AGAIN", timedelta(seconds=0.01))
    monkeypatch.setattr(attempt_runner, "ABANDONED_AFTER", timedelta(seconds=0.1))


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("told_by", ["timeout", "cancel", "shutdown"])
async def test_a_swallowed_cancel_comes_again_and_what_never_ends_is_recorded_once_and_keeps_its_slot(
    told_by: str,
) -> None:
    end, told, started = asyncio.Event(), [0], asyncio.Event()

    async def swallows(payload: Empty, context: TaskContext) -> str:
        started.set()
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                told[0] += 1
        return "at last"

    rig = Rig(task("it")(swallows))
    running = asyncio.create_task(rig.run(timeout=0.01 if told_by == "timeout" else 30))
    await started.wait()
    if told_by == "cancel":
        rig.execution.cancel(JOB, 2)
    elif told_by == "shutdown":
        rig.execution.drop(lambda _: True)
    recorded = rig.outcomes.published if told_by == "timeout" else rig.moving.made
    await until_true(lambda: bool(recorded), within=5, what="it to be recorded")
    assert told[0] >= 3, "it was told again and again"
    assert rig.slots.busy == 1
    assert (JOB, 2) in rig.execution.running
    end.set()
    await running
    assert rig.slots.busy == 0
    assert len(rig.outcomes.published) + len(rig.moving.made) == 1, "it has one outcome"
    if told_by == "timeout":
        assert (rig.letter.kind, rig.letter.error.type) == (ErrorKind.TIMED_OUT, "AttemptTimedOut")
        assert rig.letter.attempt == 1, "the next attempt would run beside it, so there is none"


async def test_an_outcome_that_is_refused_where_it_is_stored_is_a_failed_attempt_of_that_type() -> None:
    async def returns(payload: Empty, context: TaskContext) -> None:
        context.log("a line")

    rig = Rig(task("it")(returns))

    async def refuses(*_: Any) -> None:
        raise OverflowError("nobody stores this")

    rig.outcomes._publish = refuses  # type: ignore[method-assign, assignment]
    rig.moving.note = refuses  # type: ignore[method-assign, assignment]
    await rig.run()
    assert rig.moving.targets() == ["waiting"]
    assert rig.moving.made[0][2][0].update[0]["$set"]["error"]["type"] == {"$literal": "OverflowError"}


async def test_an_error_that_cannot_even_be_printed_is_a_failed_attempt() -> None:
    class Nameless(type):
        def __getattribute__(cls, name: str) -> Any:
            raise SystemExit(3)

    class HostileError(Exception, metaclass=Nameless):
        def __str__(self) -> str:
            raise SystemExit(3)

    async def raises(payload: Empty, context: TaskContext) -> None:
        raise HostileError

    rig = Rig(task("it")(raises))
    await rig.run(attempt=3)
    assert rig.letter.error.type == "HostileError"
    assert "cannot be shown: SystemExit" in rig.letter.error.message

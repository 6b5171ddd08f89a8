"""Whatever a task says of itself can be stored, or is refused where the task says it."""

import json
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from job_contracts.lifecycle import ErrorKind
from job_worker.retry import GiveUp, Postpone, TryAgain, describe, judge
from job_worker.tasks import RateLimited, Retry, TaskContext, task
from job_worker.tasks.noop import noop
from job_worker.tasks.storable import LONGEST_WAIT


class SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class LeavingError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class NumberError(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307


class Sly(str):
    """A text whose methods are not those of a text."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        raise SystemExit(3)

    def __getitem__(self, _: Any) -> str:
        raise SystemExit(3)


class SlyError(Exception):
    def __str__(self) -> str:
        return Sly("sly")


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit(3)


class NamelessError(Exception, metaclass=Nameless):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise SystemExit(3)

    def __repr__(self) -> str:
        raise SystemExit(3)


HOSTILE: list[BaseException] = [
    OSError("caf\udce9"),
    ValueError("\ud800 \udfff"),
    ValueError("a\0b"),
    ValueError("x" * 1_000_000),
    ValueError("\udc80" * 10_000),
    SilentError(),
    LeavingError(),
    NumberError(),
    SlyError(),
    NamelessError("n"),
    type("E" * 100_000, (Exception,), {})("long"),
    type("caf\udce9".replace("\udce9", "é"), (Exception,), {})("é"),
    type("", (Exception,), {})("nameless"),
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    BaseExceptionGroup("many", [SystemExit(1), ValueError("\ud800")]),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_any_error_has_a_name_and_a_text_that_can_be_stored(number: int) -> None:
    told = describe(HOSTILE[number])
    assert told.type
    assert len(told.type) <= 200
    assert len(told.message) <= 1_000
    assert "\0" not in told.type + told.message
    assert msgspec.json.decode(msgspec.json.encode(told)) == {"type": told.type, "message": told.message}


def test_a_file_name_that_is_no_text_is_shown_as_what_it_is() -> None:
    assert describe(OSError("caf\udce9")).message == "caf\\udce9"
    assert describe(SilentError()).message == ("<a text of SilentError that cannot be shown: ValueError>")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (50, 50.0),
        (Decimal("12.5"), 12.5),
        (Fraction(1, 2), 0.5),
        (True, 1.0),
        (float("nan"), 0.0),
        (Decimal("NaN"), 0.0),
        (float("inf"), 100.0),
        (float("-inf"), 0.0),
        (10**400, 100.0),
        (-(10**400), 0.0),
    ],
)
def test_a_percentage_is_a_number_from_0_to_100_whatever_kind_of_number_was_given(
    given: Any, kept: float
) -> None:
    context = TaskContext(job_id="j", attempt=1)
    context.report(given, "x")
    assert context.take_progress() == (kept, "x")
    assert type(kept) is float


@pytest.mark.parametrize("given", ["50", b"5", None, [], 1j, object()])
async def test_a_percentage_that_is_no_number_is_refused_where_it_is_given(given: Any) -> None:
    context = TaskContext(job_id="j", attempt=1)
    with pytest.raises(TypeError, match="the percentage must be a number"):
        await context.progress(given)
    assert context.take_progress() is None


@pytest.mark.parametrize(
    "given", ["\ud800" * 500, SilentError(), LeavingError(), 7, SlyError(), b"\xff", ["a"]]
)
def test_messages_and_lines_of_the_log_can_be_stored_whatever_was_given(given: Any) -> None:
    context = TaskContext(job_id="j", attempt=1)
    context.report(1, given)
    context.log(given, given)
    progress = context.take_progress()
    assert progress is not None
    (line,) = context.take_lines()
    assert len(progress[1] or "") <= 200
    assert len(line["message"].encode()) <= 1024
    assert line["level"] == "info"
    json.dumps([progress, line["message"]]).encode("ascii")
    assert "\\udc" not in repr(line["message"].encode())


@pytest.mark.parametrize("given", [60, 1.5, "60", None, float("inf"), object()])
def test_a_wait_that_is_no_timedelta_is_refused_where_the_error_is_made(given: Any) -> None:
    if given is not None:
        with pytest.raises(TypeError, match="after must be a timedelta"):
            Retry("later", after=given)
    with pytest.raises(TypeError, match="until must be a timedelta"):
        RateLimited("full", until=given)


def ends_of(error: BaseException, attempt: int = 1) -> GiveUp | TryAgain | Postpone:
    return judge(error, task=noop, attempt=attempt, max_attempts=3, timed_out=False)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta.max, LONGEST_WAIT),
        (timedelta.min, timedelta(0)),
        (timedelta(seconds=-1), timedelta(0)),
        (timedelta(seconds=5), timedelta(seconds=5)),
    ],
)
def test_no_wait_is_longer_than_366_days_nor_shorter_than_none(asked: timedelta, waited: timedelta) -> None:
    again = ends_of(Retry("later", after=asked))
    assert isinstance(again, TryAgain)
    assert again.wait == waited
    held = ends_of(RateLimited("full", until=asked))
    assert isinstance(held, Postpone)
    assert held.wait == max(waited, timedelta(milliseconds=100))


@pytest.mark.parametrize("given", [60, "60", float("nan"), object()])
def test_a_wait_of_a_wrong_type_set_past_the_constructor_is_a_failed_attempt(given: Any) -> None:
    later, full = Retry("later"), RateLimited("full", until=timedelta(1))
    later.after = full.until = given
    for error in (later, full):
        again = ends_of(error)
        assert isinstance(again, TryAgain)
        assert again.error.type == "TypeError"
        last = ends_of(error, attempt=3)
        assert isinstance(last, GiveUp)
        assert last.kind is ErrorKind.EXHAUSTED


def test_the_defaults_of_a_task_are_among_what_is_allowed() -> None:
    assert task("it").max_attempts == 5

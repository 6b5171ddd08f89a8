"""A task that could never run well is refused where it is declared, with a text that says what is wrong."""

import math
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from job_worker.tasks import TaskContext, task
from service_chassis.backoff import Backoff


class Empty(BaseModel):
    pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_attempts": 0}, "max_attempts must be from 1 to 100"),
        ({"max_attempts": -1}, "max_attempts must be from 1 to 100"),
        ({"max_attempts": 101}, "max_attempts must be from 1 to 100"),
        ({"max_attempts": True}, "max_attempts must be an int"),
        ({"max_attempts": 2.0}, "max_attempts must be an int"),
        ({"max_attempts": math.nan}, "max_attempts must be an int"),
        ({"max_attempts": "3"}, "max_attempts must be an int"),
        ({"max_attempts": None}, "max_attempts must be an int"),
        ({"timeout": 0}, "timeout must be a timedelta"),
        ({"timeout": 60}, "timeout must be a timedelta"),
        ({"timeout": math.nan}, "timeout must be a timedelta"),
        ({"timeout": math.inf}, "timeout must be a timedelta"),
        ({"timeout": None}, "timeout must be a timedelta"),
        ({"timeout": timedelta(0)}, "timeout must be from"),
        ({"timeout": timedelta(seconds=-1)}, "timeout must be from"),
        ({"timeout": timedelta(microseconds=1)}, "timeout must be from"),
        ({"timeout": timedelta.max}, "timeout must be from"),
        ({"backoff": timedelta(seconds=1)}, "backoff must be a Backoff"),
        ({"backoff": Backoff(first=timedelta(seconds=-1))}, "backoff.first must be from"),
        ({"backoff": Backoff(cap=timedelta.max)}, "backoff.cap must be from"),
        ({"backoff": Backoff(cap=60)}, "backoff.cap must be a timedelta"),  # type: ignore[arg-type]
        ({"resources": "open"}, "resources must be a function"),
        ({"name": ""}, "name must be a text"),
        ({"name": 7}, "name must be a text"),
    ],
)
def test_an_option_that_no_attempt_could_run_under_is_refused_and_named(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        task(**{"name": "it", **options})


async def _asynchronous_steps(payload: Empty, context: TaskContext) -> AsyncIterator[int]:
    yield 1


def _steps(payload: Empty, context: TaskContext) -> Iterator[int]:
    yield 1


def _of_nothing() -> int:
    return 1


def _of_one(payload: Empty) -> int:
    return 1


def _of_anything(payload, context) -> int:  # type: ignore[no-untyped-def]
    return 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_asynchronous_steps, "a generator returns no value"),
        (_steps, "a generator returns no value"),
        (_of_nothing, "must take two arguments"),
        (_of_one, "must take two arguments"),
        (_of_anything, "must be annotated with a pydantic model"),
    ],
)
def test_a_function_that_can_be_no_task_is_refused(function: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        task("it")(function)

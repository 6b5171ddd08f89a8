"""A task: a function with a payload model, a result model and options."""

import hashlib
import inspect
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal, get_type_hints

from pydantic import BaseModel, TypeAdapter

from job_contracts.record import ATTEMPTS_KEPT
from job_worker.tasks.context import TaskEnvironment
from job_worker.tasks.storable import LONGEST_WAIT
from service_chassis.backoff import Backoff

_LEAST_TIMEOUT: Final = timedelta(seconds=0.1)
_LONGEST_TIMEOUT: Final = timedelta(days=1)
"""What a submission may ask for, too."""

Isolation = Literal["process"]

Resources = Callable[[TaskEnvironment], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the worker runs and what the catalogue tells of it."""

    name: str
    function: Callable[..., Any]
    is_coroutine: bool
    payload: type[BaseModel]
    result: TypeAdapter[Any]
    max_attempts: int
    timeout: timedelta
    backoff: Backoff
    resources: Resources | None
    description: str
    threads: int | None = None
    isolation: Isolation | None = None

    @property
    def reference(self) -> str:
        """Where a process of its own finds it."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def digest(self) -> str:
        """Names the schema of the payload: equal for workers that take the same payloads, whatever their code."""
        return digest_of(self.payload)

    def catalogue_entry(self) -> dict[str, Any]:
        """Return the task as stored in `tasks`; schemas are JSON text, as `$ref` is no field name for MongoDB."""
        return {
            "_id": self.name,
            "digest": self.digest,
            "description": self.description,
            "payload_schema": json.dumps(self.payload.model_json_schema()),
            "result_schema": json.dumps(self.result.json_schema(mode="serialization")),
            "options": {
                "max_attempts": self.max_attempts,
                "timeout": self.timeout.total_seconds(),
                "backoff": {
                    "first": self.backoff.first.total_seconds(),
                    "cap": self.backoff.cap.total_seconds(),
                },
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class task:  # noqa: N801  it is used as a decorator
    """Make a function a task.

    The function takes a pydantic model and a `TaskContext` and returns what its
    annotation says. A plain `def` runs in a thread. Publish it under the entry-point group
    `jobstream.tasks` and install it beside the worker.

    >>> from pydantic import BaseModel
    >>> class Greeting(BaseModel):
    ...     name: str
    >>> @task("greet", max_attempts=3)
    ... async def greet(payload: Greeting, context: object) -> str:
    ...     '''Greets somebody.'''
    ...     return f"hello {payload.name}"
    >>> greet.name, greet.description
    ('greet', 'Greets somebody.')
    """

    name: str = field(kw_only=False)
    max_attempts: int = 5
    timeout: timedelta = timedelta(minutes=1)
    backoff: Backoff = field(default_factory=Backoff)
    resources: Resources | None = None
    threads: int | None = None
    isolation: Isolation | None = None

    def __post_init__(self) -> None:
        """Refuse options that no attempt could run under, where the task is declared."""
        if type(self.name) is not str or not self.name:
            raise TypeError(f"a task's name must be a text that is not empty, not {self.name!r}")
        of = f"task {self.name!r}"
        if type(self.max_attempts) is not int:
            raise TypeError(f"{of}: max_attempts must be an int, not {self.max_attempts!r}")
        if not 1 <= self.max_attempts <= ATTEMPTS_KEPT:
            raise ValueError(
                f"{of}: max_attempts must be from 1 to {ATTEMPTS_KEPT}, {self.max_attempts} is not"
            )
        if not isinstance(self.backoff, Backoff):
            raise TypeError(f"{of}: backoff must be a Backoff, not {self.backoff!r}")
        if self.resources is not None and not callable(self.resources):
            raise TypeError(f"{of}: resources must be a function, not {self.resources!r}")
        _check_time(f"{of}: timeout", self.timeout, _LEAST_TIMEOUT, _LONGEST_TIMEOUT)
        _check_time(f"{of}: backoff.first", self.backoff.first, timedelta(0), LONGEST_WAIT)
        _check_time(f"{of}: backoff.cap", self.backoff.cap, timedelta(0), LONGEST_WAIT)

    def __call__(self, function: Callable[..., Any]) -> Task:
        """Return the task that runs `function`."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"task {self.name!r}: a generator returns no value; tell steps by context.progress"
            )
        hints = get_type_hints(function)
        parameters = inspect.signature(function).parameters
        try:
            inspect.signature(function).bind(None, None)
        except TypeError:
            raise TypeError(
                f"task {self.name!r}: the function must take two arguments, the payload and the context"
            ) from None
        payload = hints.get(next(iter(parameters)))
        if not (isinstance(payload, type) and issubclass(payload, BaseModel)):
            raise TypeError(
                f"task {self.name!r}: the first parameter must be annotated with a pydantic model"
            )
        if "return" not in hints:
            raise TypeError(f"task {self.name!r}: annotate what it returns")
        is_coroutine = inspect.iscoroutinefunction(function)
        if self.threads is not None:
            _check_threads(self.threads, self.name, is_coroutine=is_coroutine)
        if self.isolation is not None:
            self._check_isolation(function)
        return Task(
            name=self.name,
            function=function,
            is_coroutine=is_coroutine,
            payload=payload,
            result=TypeAdapter(hints["return"]),
            max_attempts=self.max_attempts,
            timeout=self.timeout,
            backoff=self.backoff,
            resources=self.resources,
            threads=self.threads,
            isolation=self.isolation,
            description=(inspect.getdoc(function) or "").partition("\n")[0],
        )

    def _check_isolation(self, function: Callable[..., Any]) -> None:
        of = f"task {self.name!r}"
        if self.isolation != "process":
            raise ValueError(f"{of}: isolation is 'process' or nothing, not {self.isolation!r}")
        if self.resources is not None:
            raise ValueError(
                f"{of}: a process of its own knows nothing of MongoDB, so it has no resources; open what it needs "
                "in its module, once, behind functools.cache"
            )
        if self.threads is not None:
            raise ValueError(f"{of}: threads are for functions that run in the worker's own process")
        name = getattr(function, "__qualname__", "<unnamed>")
        if "<" in name or getattr(function, "__module__", "__main__") == "__main__":
            raise ValueError(
                f"{of}: a process of its own finds it by name alone: put it at the top of a module"
            )


@cache
def digest_of(payload: type[BaseModel]) -> str:
    """Return a short hash of a model's schema; empty for one that has no schema, whose task is not in the catalogue."""
    try:
        schema = json.dumps(payload.model_json_schema(), sort_keys=True, separators=(",", ":"))
    except Exception:  # noqa: BLE001  it is foreign code; what is wrong is told where the catalogue is written
        return ""
    return hashlib.sha256(schema.encode()).hexdigest()[:16]


def _check_time(what: str, time: timedelta, least: timedelta, most: timedelta) -> None:
    if not isinstance(time, timedelta):
        raise TypeError(f"{what} must be a timedelta, not {time!r}")
    if not least <= time <= most:
        raise ValueError(f"{what} must be from {least} to {most}, {time} is not")


def _check_threads(threads: object, name: str, *, is_coroutine: bool) -> None:
    """Refuse a number of threads that makes no sense."""
    if type(threads) is not int:
        raise TypeError(f"task {name!r}: threads must be an int, not {threads!r}")
    if threads < 1:
        raise ValueError(f"task {name!r}: threads must be at least 1, not {threads}")
    if is_coroutine:
        raise ValueError(f"task {name!r}: a coroutine runs in the loop, it takes no threads")

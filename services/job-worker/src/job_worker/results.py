"""Makes what a task returned the result of its job, or says what is wrong with it."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import ValidationError

from job_contracts import strict_json
from job_contracts.record import RESULT_LIMIT
from job_worker.tasks import JobsOwnFault, Task
from job_worker.tasks.storable import MESSAGE_LIMIT, name_of, text_of


class InvalidPayload(JobsOwnFault):
    """The payload is not what the task takes."""


class InvalidResult(Exception):  # noqa: N818  it is shown to the job's owner
    """What the task returned is not what it says it returns, or cannot be stored: a bug in the task."""


class ResultTooLarge(JobsOwnFault):
    """The result has more bytes than a job may have."""


def read_payload(task: Task, payload: bytes) -> Any:
    """Return the payload as the task's model; `InvalidPayload` names the field that does not fit."""
    try:
        return task.payload.model_validate_json(payload)
    except ValidationError as error:
        raise InvalidPayload(first_error(error)) from None


def encode_result(task: Task, value: object) -> bytes:
    """Return a result as JSON that everybody reads alike.

    Raises
    ------
    ResultTooLarge
        It has more bytes than a job may have.
    InvalidResult
        It does not fit the task's annotation, or holds what no document may hold.
    """
    if isinstance(value, str | bytes) and len(value) > RESULT_LIMIT:
        # Whatever it is encoded to, it has no fewer bytes.
        raise ResultTooLarge(_too_large(len(value)))
    try:
        checked = task.result.validate_python(value)
        encoded = task.result.dump_json(checked)
        if len(encoded) > RESULT_LIMIT:
            raise ResultTooLarge(_too_large(len(encoded)))
        fault = _fault_of(encoded) or _hidden_fault(task, checked, encoded)
    except ResultTooLarge:
        raise
    except ValidationError as error:
        raise InvalidResult(f"not what the task says it returns: {first_error(error)}") from None
    except Exception as error:
        # Its own validators and serializers may raise anything, and what is no data cannot be written.
        reason = text_of(error, limit=MESSAGE_LIMIT // 2)
        raise InvalidResult(f"it cannot be written as JSON: {name_of(error)}: {reason}") from error
    if fault is not None:
        raise InvalidResult(fault)
    return encoded


def first_error(error: ValidationError) -> str:
    """Return the first thing that does not fit, with its pointer."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = "/".join(str(part) for part in first["loc"])
    return f"/{where}: {first['msg']}"


def _too_large(size: int) -> str:
    return f"the result has {size} bytes, {RESULT_LIMIT} are allowed"


def _fault_of(encoded: bytes) -> str | None:
    if strict_json.is_too_deep(encoded):
        return f"it is nested deeper than {strict_json.MAX_DEPTH} levels"
    try:
        if not strict_json.may_hold_unreadable(encoded):
            msgspec.json.decode(encoded)
            return None
    except msgspec.DecodeError as error:
        return _first_fault(encoded) or str(error)
    return _first_fault(encoded)


def _first_fault(encoded: bytes) -> str | None:
    for path, detail in strict_json.faults(encoded.decode(errors="replace")):
        return f"{_pointer(path)}: {detail}"
    return None


def _hidden_fault(task: Task, checked: object, encoded: bytes) -> str | None:
    """Return where a number that is none became `null`, which pydantic does silently."""
    if b"null" not in encoded or checked is None:
        return None
    for path, number in _floats(task.result.dump_python(checked), ()):
        if not math.isfinite(number):
            return f"{_pointer(path)}: {number} is not a JSON number"
    return None


def _floats(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    # It has been written, so it is not deep.
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _floats(item, (*path, str(key)))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from _floats(item, (*path, index))


def _pointer(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{part}" for part in path) or "/"

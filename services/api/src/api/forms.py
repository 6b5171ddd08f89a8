"""What clients may send, declared once: decoded with it, described by it in OpenAPI."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from api import door
from api.judge import Judge
from api.problems import MALFORMED_JSON, FieldError, Problem, invalid, pointer_of

MAX_AHEAD: Final = 366 * 86_400
"""Seconds: nobody plans a job further ahead than a leap year."""

MAX_JOBS: Final = 1_000
"""Of one batch."""

_LOOKED_AT: Final = 64 * 1024
"""Of a body that does not fit, so much is looked at closely: more would hold up everybody else."""

Tag = Annotated[str, Meta(min_length=1, max_length=64)]
Priority = Annotated[Literal["normal", "low"], Meta(description="low yields to jobs that are normal")]


class Submission(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to be done: the body of POST /jobs."""

    task: Annotated[str, Meta(min_length=1, max_length=200, description="Name of a task, see GET /tasks")]
    payload: (
        Annotated[Raw, Meta(description="What the task's schema says", extra_json_schema={"default": {}})]
        | UnsetType
    ) = UNSET
    run_at: (
        Annotated[datetime, Meta(tz=True, description="Not before this moment, within 366 days")] | UnsetType
    ) = UNSET
    delay: (
        Annotated[float, Meta(ge=0, le=MAX_AHEAD, description="Seconds from now; not together with run_at")]
        | UnsetType
    ) = UNSET
    max_attempts: (
        Annotated[int, Meta(ge=1, le=100, description="The task's own number if left out")] | UnsetType
    ) = UNSET
    timeout: (
        Annotated[float, Meta(ge=0.1, le=86_400, description="Seconds an attempt may take")] | UnsetType
    ) = UNSET
    tags: Annotated[list[Tag], Meta(max_length=16, description="To find jobs by")] = []
    unique_key: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                description="At most one live job has it; while one does, it is the answer",
            ),
        ]
        | UnsetType
    ) = UNSET
    priority: Priority = "normal"
    expires_in: (
        Annotated[
            float,
            Meta(gt=0, le=MAX_AHEAD, description="Seconds from now; not to be started after that"),
        ]
        | UnsetType
    ) = UNSET


class BatchSubmission(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many jobs at once, all or none: the body of POST /jobs/batch."""

    jobs: Annotated[list[Raw], Meta(min_length=1, max_length=MAX_JOBS, description="Each as for POST /jobs")]
    name: (
        Annotated[str, Meta(min_length=1, max_length=200, description="For those who look at it")] | UnsetType
    ) = UNSET
    webhook: Annotated[Raw, Meta(description="Not available yet: refused")] | UnsetType = UNSET


F = TypeVar("F", bound=Struct)


class Read(NamedTuple, Generic[F]):
    """A form that was read, and what is wrong with it; the document is there in any case."""

    form: F | None
    document: Any
    errors: list[FieldError]


class Reader(Generic[F]):
    """Reads one kind of form from a body: fast when it fits, thorough when it does not.

    `suspects` says whether a body needs a closer look, which is slow.
    """

    def __init__(self, kind: type[F], *, suspects: Callable[[bytes], bool] = door.looks_suspicious) -> None:
        self._suspects = suspects
        self._decoder = msgspec.json.Decoder(kind)
        self._judge = Judge(msgspec.json.schema(kind))

    def read(self, raw: bytes) -> Read[F]:
        """Return the form, or the document and all that is wrong with its fields.

        Raises
        ------
        Problem
            The bytes are no JSON, or hold what no document may hold.
        """
        try:
            text = raw.decode()
            if self._suspects(raw) and (found := door.faults(text)):
                raise invalid(found)
            return Read(self._decoder.decode(raw), None, [])
        except msgspec.ValidationError as error:
            return self._diagnosed(raw, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(raw, error) from error

    def take(self, raw: bytes) -> F:
        """Return the form; `Problem` names all that is wrong with it."""
        read = self.read(raw)
        if read.form is None:
            raise invalid(read.errors)
        return read.form

    def _diagnosed(self, raw: bytes, message: str) -> Read[F]:
        if len(raw) > _LOOKED_AT:
            return Read(None, None, [_translated(message)])
        document = decode_part(raw, raw)
        # msgspec is stricter than JSON Schema in one thing: 3.0 is no integer.
        return Read(None, document, self._judge.errors(document) or [_translated(message)])


def decode_part(part: bytes | Raw, whole: bytes) -> Any:
    """Decode a part of a body whose shape is checked elsewhere; a `Problem` points into the whole."""
    try:
        return msgspec.json.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(whole, error) from error


def _malformed(raw: bytes, error: Exception) -> Problem:
    try:
        text = raw.decode()
    except UnicodeDecodeError as bad:
        return Problem(MALFORMED_JSON, f"not UTF-8: {bad.reason} at byte {bad.start}")
    if found := door.faults(text[:_LOOKED_AT]):
        return invalid(found)
    return Problem(MALFORMED_JSON, str(error) if text.strip() else "the body is empty")


def _translated(message: str) -> FieldError:
    """Turn msgspec's own words into a field error.

    >>> _translated("Expected `int`, got `float` - at `$.tags[0]`")
    FieldError(pointer='/tags/0', detail='Expected `int`, got `float`')
    """
    detail, _, path = message.partition(" - at `$")
    parts = path.rstrip("`").replace("[", ".").replace("]", "").split(".")
    return FieldError(pointer_of(part for part in parts if part), detail)

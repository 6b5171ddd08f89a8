"""What the services say to each other, as bytes on Kafka.

Messages are msgspec structs: `payload`, `result` and `job` are `Raw`, JSON that is carried
through without being decoded by those who do not need it. Readers ignore fields they do
not know, so producers may deploy first; anything but a new optional field is a new `type`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from job_contracts.lifecycle import ErrorKind
from job_contracts.topics import Topic

T = TypeVar("T")

JobId = Annotated[str, Meta(min_length=36, max_length=36, description="UUID; also the Kafka key")]
Version = Annotated[int, Meta(ge=1, le=2**53, description="Version of the record this speaks of")]
Attempt = Annotated[
    int, Meta(ge=0, le=2**31 - 1, description="Attempts are counted from 1; 0: none was started")
]
Owner = Annotated[str, Meta(description="Whose job it is; readers let nobody else see it")]
TaskName = Annotated[str, Meta(description="Which code the job runs, as in the catalogue")]
Revision = Annotated[int, Meta(ge=0, description="Changes since the last move, such as progress")]
TraceParent = Annotated[str, Meta(description="W3C trace context of the request that made the job")]
Headers = list[tuple[str, bytes]]


class UnreadableError(ValueError):
    """The bytes are not a message of this topic: divert them to `dead-letter`."""


class ErrorInfo(Struct, frozen=True, kw_only=True):
    """What went wrong, safe to show to the owner of the job."""

    type: Annotated[str, Meta(description="Name of the class of error, to group by")]
    message: Annotated[str, Meta(description="What happened, for a person")]


class Origin(Struct, frozen=True, kw_only=True):
    """Where in Kafka a message stood."""

    topic: Annotated[str, Meta(description="Name of the topic")]
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Number of the partition")]
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Place in the partition")]
    timestamp: Annotated[datetime, Meta(tz=True, description="When Kafka took it")]


class JobRequested(Struct, frozen=True, kw_only=True, tag_field="type", tag="job.requested.v1"):
    """Look at this job: it was pending at `version`."""

    job_id: JobId
    owner: Owner
    version: Version
    attempt: Attempt
    task: TaskName
    payload: Annotated[Raw, Meta(description="What the task is given: any JSON, as it was sent")]
    timeout: Annotated[float, Meta(gt=0, description="Seconds the attempt may take")]
    max_attempts: Annotated[int, Meta(ge=1, description="After this many failures the job is given up")]
    expire_by: (
        Annotated[datetime, Meta(tz=True, description="Not to be started after this moment")] | None
    ) = None
    probe: Annotated[
        bool, Meta(description="To be run although its task is paused: it shows whether the cause is gone")
    ] = False
    traceparent: TraceParent | None = None
    digest: Annotated[str, Meta(description="Version of the task that the payload was judged by")] | None = (
        None
    )
    refused: Annotated[
        tuple[str, ...], Meta(description="Versions of the task that do not take the payload")
    ] = ()


class JobSucceeded(Struct, frozen=True, kw_only=True, tag_field="type", tag="job.succeeded.v1"):
    """The attempt that ran under `version` returned this result."""

    job_id: JobId
    owner: Owner
    version: Version
    attempt: Attempt
    task: TaskName
    result: Annotated[Raw, Meta(description="What the task returned: any JSON, as it was written")]
    run_seconds: Annotated[float, Meta(ge=0, description="How long the task ran")]
    traceparent: TraceParent | None = None


class JobFailed(Struct, frozen=True, kw_only=True, tag_field="type", tag="job.failed.v1"):
    """The job is given up; it stood at `version`."""

    job_id: JobId
    owner: Owner
    version: Version
    attempt: Attempt
    task: TaskName
    kind: Annotated[ErrorKind, Meta(description="Why no further attempt is made")]
    error: Annotated[ErrorInfo, Meta(description="What went wrong in the last attempt")]
    traceparent: TraceParent | None = None


class MessageRejected(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.rejected.v1"):
    """Bytes that made no sense, kept exactly (`raw` is base64 on the wire)."""

    source: Annotated[Origin, Meta(description="Where the bytes stood")]
    error: Annotated[ErrorInfo, Meta(description="Why they could not be read")]
    raw: Annotated[bytes, Meta(description="The bytes themselves; none if the message had no value")]


class JobChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="job.changed.v1"):
    """The whole public view of the job after a move: absolute state, never a delta."""

    job_id: JobId
    owner: Owner
    version: Version
    revision: Revision
    job: Annotated[Raw, Meta(description="The view of the job, as `GET /jobs/{id}` answers it")]


class JobProgressed(Struct, frozen=True, kw_only=True, tag_field="type", tag="job.progressed.v1"):
    """How far the running attempt is."""

    job_id: JobId
    owner: Owner
    version: Version
    revision: Revision
    percent: Annotated[float, Meta(ge=0, le=100, description="0 to 100, as the task sees it")]
    message: Annotated[str, Meta(description="What the task says it is at")] | None = None


JobMessage = JobRequested | JobSucceeded | JobFailed | JobChanged | JobProgressed
Message = JobMessage | MessageRejected

PUBLISHED: Final = {
    Topic.JOBS: (JobRequested,),
    Topic.RESULTS: (JobSucceeded,),
    Topic.DEAD_LETTER: (JobFailed, MessageRejected),
    Topic.JOB_EVENTS: (JobChanged, JobProgressed),
}
"""Which messages stand on which topic."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_encoder = msgspec.json.Encoder()
_jobs = msgspec.json.Decoder(JobRequested)
_results = msgspec.json.Decoder(JobSucceeded)
_dead_letters = msgspec.json.Decoder(JobFailed | MessageRejected)
_events = msgspec.json.Decoder(JobChanged | JobProgressed)


def encode(message: Message) -> bytes:
    """Return the message as one line of JSON."""
    return _encoder.encode(message)


def read_requested(value: bytes | None) -> JobRequested:
    """Read a message of `jobs`; `UnreadableError` says what is wrong with it."""
    return _read(_jobs, value)


def read_succeeded(value: bytes | None) -> JobSucceeded:
    """Read a message of `results`; `UnreadableError` says what is wrong with it."""
    return _read(_results, value)


def read_dead_letter(value: bytes | None) -> JobFailed | MessageRejected:
    """Read a message of `dead-letter`; `UnreadableError` says what is wrong with it."""
    letter: JobFailed | MessageRejected = _read(_dead_letters, value)
    return letter


def read_event(value: bytes | None) -> JobChanged | JobProgressed:
    """Read a message of `job-events`; `UnreadableError` says what is wrong with it."""
    event: JobChanged | JobProgressed = _read(_events, value)
    return event


def _read(decoder: "msgspec.json.Decoder[T]", value: bytes | None) -> T:
    if not value:
        raise UnreadableError("the message has no value")
    try:
        # Raw fields are skipped over, not checked: without this, foreign bytes would travel on inside them.
        value.decode()
        message = decoder.decode(value)
        message = _in_utc(message)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise UnreadableError(str(error)) from error
    if (job_id := getattr(message, "job_id", None)) is not None and not is_job_id(job_id):
        raise UnreadableError(f"job_id is not a UUID: {job_id!r}")
    return message


def _in_utc(message: T) -> T:
    """Return the message with its moments in UTC; `OverflowError` if there is no such moment there."""
    if isinstance(message, MessageRejected):
        stood = message.source.timestamp.astimezone(UTC)
        return replace(message, source=replace(message.source, timestamp=stood))
    if isinstance(message, JobRequested) and message.expire_by is not None:
        return replace(message, expire_by=message.expire_by.astimezone(UTC))
    return message


def is_job_id(text: str) -> bool:
    """Whether `text` can be the id of a job: a UUID in its canonical form.

    >>> is_job_id("0198c0de-0000-7000-8000-000000000000")
    True
    >>> is_job_id("0198C0DE00007000800000000000000")
    False
    """
    return _UUID.fullmatch(text) is not None


def headers_of(
    message: Message, *, state: str | None = None, task: str | None = None, traceparent: str | None = None
) -> Headers:
    """Return the Kafka headers that let a reader skip a message without decoding it.

    `state`, `task` and `traceparent` are given for messages that do not carry them themselves.
    """
    headers: Headers = [("type", str(message.__struct_config__.tag).encode())]
    if isinstance(message, MessageRejected):
        return headers
    headers += [("owner", message.owner.encode()), ("version", b"%d" % message.version)]
    if task := getattr(message, "task", task):
        headers.append(("task", task.encode()))
    if state:
        headers.append(("state", state.encode()))
    if traceparent := getattr(message, "traceparent", traceparent):
        headers.append(("traceparent", traceparent.encode()))
    return headers

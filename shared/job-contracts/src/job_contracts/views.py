"""The public view of a job: what HTTP answers and live events carry."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from job_contracts.messages import Headers, JobChanged, JobProgressed, JobRequested, headers_of
from job_contracts.record import INLINE_LIMIT

Record = Mapping[str, Any]

TOLD: Final = (
    *("owner", "task", "payload", "state", "reason", "version", "revision", "failures", "max_attempts"),
    *("redrives", "result", "has_result", "error", "progress", "tags", "batch", "unique_key", "priority"),
    *("expire_by", "cancel_requested", "wake_at", "created_at", "started_at", "finished_at", "traceparent"),
)
"""Fields of a record that its view and its event are built from, beside `_id`."""

_NULL: Final = Raw(b"null")


class Progress(Struct, frozen=True):
    """How far the running attempt is."""

    percent: float
    message: str | None = None


class JobError(Struct, frozen=True, kw_only=True):
    """Why the job failed, or its last attempt did."""

    kind: str | None
    type: str
    message: str


class JobView(Struct, frozen=True, kw_only=True):
    """A job as its owner sees it; also the data of every `job` event."""

    id: str
    task: str
    state: str
    reason: str | None
    version: int
    revision: int
    attempt: int
    max_attempts: int
    payload: Raw
    result: Raw
    result_url: str | UnsetType = UNSET
    error: JobError | None
    progress: Progress | None
    tags: list[str]
    batch: str | None
    unique_key: str | None
    priority: str
    expire_by: datetime | None
    cancel_requested: bool
    redrives: int
    wake_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_encoder = msgspec.json.Encoder()


def result_url(job_id: str) -> str:
    """Where a result that is not inlined can be had."""
    return f"/jobs/{job_id}/result"


def attempt_of(record: Record) -> int:
    """The number of the running, or else the last, attempt; 0 before the first one.

    Derived from `failures`, so that a rate limit, a pause or a give-back burns none.
    """
    failures = int(record["failures"])
    running_or_done = record["state"] in ("running", "succeeded")
    return failures + 1 if running_or_done else failures


def job_view(record: Record, result: bytes | None = None, *, limit: int = INLINE_LIMIT) -> JobView:
    """Build the view from a stored record and, for a succeeded job, its result, unless it stands in the record.

    `limit` is the most bytes of payload or result that stand inside the view; beyond it
    they are null and, for a result, `result_url` says where it is.
    """
    error, done = record.get("error"), record.get("progress")
    payload = str(record["payload"]).encode()
    if "result" in record:
        result = str(record["result"]).encode()
    inline = result is not None and len(result) <= limit
    return JobView(
        id=record["_id"],
        task=record["task"],
        state=record["state"],
        reason=record.get("reason"),
        version=record["version"],
        revision=record["revision"],
        attempt=attempt_of(record),
        max_attempts=record["max_attempts"],
        payload=Raw(payload) if len(payload) <= limit else _NULL,
        result=Raw(result) if inline and result is not None else _NULL,
        result_url=result_url(record["_id"]) if record.get("has_result") and not inline else UNSET,
        error=JobError(kind=error.get("kind"), type=error["type"], message=error["message"])
        if error
        else None,
        progress=Progress(percent=done["percent"], message=done.get("message")) if done else None,
        tags=record.get("tags", []),
        batch=record.get("batch"),
        unique_key=record.get("unique_key"),
        priority=record.get("priority", "normal"),
        expire_by=record.get("expire_by"),
        cancel_requested=bool(record.get("cancel_requested")),
        redrives=record["redrives"],
        wake_at=record.get("wake_at") if record["state"] == "waiting" else None,
        created_at=record["created_at"],
        started_at=record.get("started_at"),
        finished_at=record.get("finished_at"),
    )


def encode_view(view: JobView) -> bytes:
    """Return the view as one line of JSON."""
    return _encoder.encode(view)


def changed(record: Record, result: bytes | None = None) -> JobChanged:
    """Return the event that announces the stored state of a job."""
    return JobChanged(
        job_id=record["_id"],
        owner=record["owner"],
        version=record["version"],
        revision=record["revision"],
        job=Raw(encode_view(job_view(record, result))),
    )


def progressed(record: Record) -> JobProgressed:
    """Return the event that announces the stored progress of a running job."""
    done = record["progress"]
    return JobProgressed(
        job_id=record["_id"],
        owner=record["owner"],
        version=record["version"],
        revision=record["revision"],
        percent=done["percent"],
        message=done.get("message"),
    )


def event_headers(event: JobChanged | JobProgressed, record: Record) -> Headers:
    """Return the headers of an event that was built from this record."""
    return headers_of(
        event, state=record["state"], task=record["task"], traceparent=record.get("traceparent")
    )


def requested(record: Record, *, probe: bool = False) -> JobRequested:
    """Return the message that asks a worker to look at a pending job, though its task is paused if it is a probe."""
    return JobRequested(
        job_id=record["_id"],
        owner=record["owner"],
        version=record["version"],
        attempt=int(record["failures"]) + 1,
        task=record["task"],
        payload=Raw(str(record["payload"]).encode()),
        timeout=float(record["timeout"]),
        max_attempts=record["max_attempts"],
        expire_by=record.get("expire_by"),
        probe=probe,
        traceparent=record.get("traceparent"),
        digest=record.get("digest"),
        refused=tuple(record.get("refused", ())),
    )


def one_line(text: bytes) -> bytes:
    r"""Return JSON without line breaks, so that foreign JSON cannot end a line of an event stream.

    Inside strings JSON has none, so those it has are mere space: nothing need be decoded.

    >>> one_line(b'{"a":\n1}')
    b'{"a": 1}'
    """
    return text.replace(b"\n", b" ").replace(b"\r", b" ")

"""Records and messages as the services write them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from msgspec import Raw

from job_contracts.lifecycle import LIVE, ErrorKind, JobState
from job_contracts.messages import ErrorInfo, JobFailed, JobSucceeded, encode

TAKEN_AT: Final = 1_700_000_000_000
"""When Kafka took a message, in milliseconds since 1970."""


def job_record(state: JobState | str = JobState.RUNNING, version: int = 2, **fields: Any) -> dict[str, Any]:
    """A stored job in this state."""
    now = datetime.now(UTC).replace(microsecond=0)
    record: dict[str, Any] = {
        "_id": str(uuid4()),
        "owner": "default",
        "task": "noop",
        "payload": "{}",
        "state": str(state),
        "version": version,
        "revision": 0,
        "failures": 0,
        "max_attempts": 5,
        "timeout": 30.0,
        "redrives": 0,
        "created_at": now,
        "updated_at": now,
    }
    if state in LIVE:
        record["wake_at"] = now + timedelta(hours=1)
    else:
        record["finished_at"] = now
    if state == JobState.RUNNING:
        record |= {"worker": "worker-1", "claim": "token-1", "started_at": now, "waited": 40}
    return record | fields


def succeeded(
    job: str, version: int = 2, *, result: bytes = b'{"answer":42}', run_seconds: float = 0.25
) -> JobSucceeded:
    """The message of an attempt that ran under this version."""
    return JobSucceeded(
        job_id=job,
        owner="default",
        version=version,
        attempt=1,
        task="noop",
        result=Raw(result),
        run_seconds=run_seconds,
    )


def failed(
    job: str,
    version: int = 2,
    *,
    kind: ErrorKind = ErrorKind.EXHAUSTED,
    error: ErrorInfo | None = None,
) -> JobFailed:
    """The dead letter of a job that stood at this version."""
    return JobFailed(
        job_id=job,
        owner="default",
        version=version,
        attempt=5,
        task="noop",
        kind=kind,
        error=error or ErrorInfo(type="TimeoutError", message="no answer"),
    )


@dataclass(frozen=True)
class Stood:
    """A message as it stood in Kafka."""

    value: bytes | None
    topic: str = "results"
    partition: int = 0
    offset: int = 0
    timestamp: int = TAKEN_AT


def on(
    topic: str, *messages: JobSucceeded | JobFailed | bytes | None, start: int = 0, taken_at: int = TAKEN_AT
) -> list[Stood]:
    """Messages one behind the other in one partition."""
    values = [m if m is None or isinstance(m, bytes) else encode(m) for m in messages]
    return [Stood(value, topic=topic, offset=start + n, timestamp=taken_at) for n, value in enumerate(values)]

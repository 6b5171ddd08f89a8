"""Events of jobs, as they come from Kafka."""

from typing import Any

from msgspec import Raw

from api.live_event import LiveEvent
from job_contracts.messages import JobChanged, JobProgressed
from job_contracts.views import encode_view, job_view
from tests.unit.api.fakes import record

JOB = "0198c0de-0000-7000-8000-00000000000{}"


def changed(
    number: int, version: int, state: str = "running", *, result: bytes | None = None, **fields: Any
) -> JobChanged:
    """Return the message of a move."""
    job = record(JOB.format(number), version=version, state=state, **fields)
    return JobChanged(
        job_id=job["_id"],
        owner=job["owner"],
        version=version,
        revision=job["revision"],
        job=Raw(encode_view(job_view(job, result))),
    )


def change(number: int, version: int, state: str = "running", **fields: Any) -> LiveEvent:
    """Return the event of a move."""
    return LiveEvent.of_change(changed(number, version, state, **fields))


def progress(number: int, version: int, revision: int, *, owner: str = "default") -> LiveEvent:
    """Return the event of a progress."""
    return LiveEvent.of_progress(
        JobProgressed(
            job_id=JOB.format(number),
            owner=owner,
            version=version,
            revision=revision,
            percent=10.0 * revision,
        )
    )

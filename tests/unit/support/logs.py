"""A small honest run, log by log: what tests of the checker break, one log at a time."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from msgspec import Raw

from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import (
    ErrorInfo,
    JobChanged,
    JobFailed,
    JobRequested,
    JobSucceeded,
    Message,
    encode,
)
from job_contracts.topics import Topic
from tests.support.api import Post
from tests.support.checking.evidence import Ends, Evidence, Findings
from tests.support.events import Events, Frame
from tests.support.invariants import judge
from tests.support.records import Document, Step
from tests.support.unsplash import Request

GOOD, BAD = "0198c0de-0000-7000-8000-000000000001", "0198c0de-0000-7000-8000-000000000002"
"""One that succeeds and one that fails."""

STATES = {GOOD: ("pending", "running", "succeeded"), BAD: ("pending", "running", "failed")}


def life(*states: str) -> list[Step]:
    return [Step(version, state) for version, state in enumerate(states, 1)]


def post(job: str | None, key: str | None, status: int | None = 202) -> Post:
    return Post(key=key, at=time.monotonic(), seconds=0.01, status=status, job=job)


def record(job: str, state: str, version: int = 3, **fields: Any) -> Document:
    return {
        "_id": job,
        "owner": "default",
        "state": state,
        "version": version,
        "payload": json.dumps({"query": f"views of {job}"}),
        "idempotency": {"key": f"key of {job}"},
        "attempts": [{"outcome": state}],
        "finished_at": datetime.now(UTC),
        **fields,
    }


def standing(topic: Topic, offset: int, value: Message | bytes) -> ConsumerRecord:
    """A message at a place of its topic."""
    body = value if isinstance(value, bytes) else encode(value)
    return ConsumerRecord(
        topic=str(topic),
        partition=0,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=body,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=len(body),
        headers=(),
    )


def requested(job: str) -> JobRequested:
    return JobRequested(
        job_id=job, owner="default", version=1, attempt=1, task="noop", payload=Raw(b"{}"), timeout=30,
        max_attempts=3,
    )  # fmt: skip


def succeeded(job: str) -> JobSucceeded:
    return JobSucceeded(
        job_id=job, owner="default", version=2, attempt=1, task="noop", result=Raw(b"{}"), run_seconds=0
    )


def failed(job: str) -> JobFailed:
    error = ErrorInfo(type="Rejected", message="no")
    return JobFailed(
        job_id=job, owner="default", version=2, attempt=1, task="noop", kind=ErrorKind.REJECTED, error=error
    )


def changed(job: str, version: int, state: str, *, owner: str = "default") -> JobChanged:
    view = Raw(json.dumps({"id": job, "state": state}).encode())
    return JobChanged(job_id=job, owner=owner, version=version, revision=0, job=view)


def kept(letter: ConsumerRecord, job: str | None, **fields: Any) -> Document:
    """A letter as MongoDB has it."""
    origin = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
    return {"_id": f"c.{letter.offset}", "job": job, "origin": origin, "raw": letter.value, **fields}


def page(states: Mapping[str, tuple[str, ...]]) -> Events:
    """A reader that has seen these states of jobs, one after the other."""
    events = Events("http://nowhere", "/events")
    events.connections = 1
    for job, seen in states.items():
        for version, state in enumerate(seen, 1):
            see(events, job, version, state)
    return events


def see(events: Events, job: str, version: int, state: str, **fields: Any) -> None:
    """Have a reader see one more frame."""
    over = time.monotonic() if state in {"succeeded", "failed", "cancelled"} else None
    view = {"id": job, "version": version, "revision": 0, "state": state, "finished_at": over, **fields}
    events.frames.append(Frame("job", None, view, time.monotonic(), 1))
    events._learn(view)


def honest() -> Evidence:
    """Two jobs: one succeeded, one failed as it must."""
    letter = standing(Topic.DEAD_LETTER, 7, failed(BAD))
    return Evidence(
        posts=[post(None, f"key of {GOOD}", 503), post(GOOD, f"key of {GOOD}"), post(BAD, f"key of {BAD}")],
        stored={job: record(job, states[-1]) for job, states in STATES.items()},
        steps={job: life(*states) for job, states in STATES.items()},
        results={GOOD: [2]},
        kept=[kept(letter, BAD)],
        requested=[standing(Topic.JOBS, n, requested(job)) for n, job in enumerate(STATES)],
        succeeded=[standing(Topic.RESULTS, 0, succeeded(GOOD))],
        letters=[letter],
        events=[
            standing(Topic.JOB_EVENTS, 10 * n + version, changed(job, version, state))
            for n, (job, states) in enumerate(STATES.items())
            for version, state in enumerate(states, 1)
        ],
        since={TopicPartition(str(topic), 0): 0 for topic in Topic},
        pages=[page(STATES)],
        upstream=[Request("GET", f"/search/photos?query=views+of+{job}", {}) for job in STATES],
        ends=Ends(must_fail={BAD}),
        healed=datetime(2026, 1, 1, tzinfo=UTC),
    )


def judged(evidence: Evidence, **changes: Any) -> Findings:
    """What the checker says of the run with these logs replaced."""
    findings = Findings()
    judge(replace(evidence, **changes), findings)
    return findings

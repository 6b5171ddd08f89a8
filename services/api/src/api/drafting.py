"""A submission that was judged, and the record it becomes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import UNSET
from uuid_utils import uuid7

from api.catalogue import CatalogueEntry
from api.forms import MAX_AHEAD, Submission, decode_part
from api.problems import FieldError, invalid
from job_contracts.lifecycle import JobState, WaitReason
from job_contracts.personal import LOW
from job_contracts.record import GRACE, PARKED

_TICK: Final = 0.25
"""Seconds; `wake_at` of new jobs is rounded up to it, so that many share one value (see `backlog.py`)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission that was judged and waits to be stored."""

    owner: str
    form: Submission
    payload: str
    task: CatalogueEntry
    key: tuple[str, bytes] | None
    traceparent: str | None
    job_id: str = field(default_factory=lambda: str(uuid7()))
    """The id its job has unless another is given; the same however often it is stored."""

    @property
    def idempotency(self) -> tuple[str, str] | None:
        """Owner and Idempotency-Key, which only one job may have."""
        return None if self.key is None else (self.owner, self.key[0])

    @property
    def unique(self) -> tuple[str, str] | None:
        """Owner and `unique_key`, which only one live job may have."""
        key = self.form.unique_key
        return None if key is UNSET else (self.owner, key)


def payload_of(form: Submission, task: CatalogueEntry, whole: bytes) -> str:
    """Return the payload as JSON text; `Problem` if it is not what the task takes.

    A pointer into what is no JSON at all leads through `whole`.
    """
    document = {} if form.payload is UNSET else decode_part(form.payload, whole)
    if wrong := task.errors(document):
        raise invalid(wrong)
    return "{}" if form.payload is UNSET else msgspec.json.format(form.payload, indent=-1).decode()


def wrong_times(form: Submission, now: datetime) -> list[FieldError]:
    """Return what is wrong with the moments a form names."""
    if form.run_at is not UNSET:
        if form.delay is not UNSET:
            return [FieldError("/run_at", "not together with delay")]
        if wrong := too_far(form.run_at, now):
            return [wrong]
    if form.expires_in is not UNSET:
        now = whole_milliseconds(now)
        due = _due(form, now)
        if due is not None and due >= _expiry(form.expires_in, now):
            return [FieldError("/expires_in", "is over before the job may run")]
    return []


def too_far(run_at: datetime, now: datetime) -> FieldError | None:
    """Return what is wrong with a moment at which a job shall run."""
    if abs((run_at - now).total_seconds()) > MAX_AHEAD:
        return FieldError("/run_at", "more than 366 days away")
    return None


def first_look(now: datetime) -> datetime:
    """Return when somebody must look whether the message of a job that is stored now went out."""
    return datetime.fromtimestamp(-(-(now + GRACE).timestamp() // _TICK) * _TICK, UTC)


def whole_milliseconds(moment: datetime) -> datetime:
    """Return the moment as MongoDB keeps it: what is answered must be what is stored."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def wake_of(form: Submission, now: datetime, look_at: datetime) -> datetime:
    """Return when somebody must look at a new job, which is at its expiry if nothing comes before."""
    _, _, wake_at = _standing(form, now, look_at)
    return wake_at if form.expires_in is UNSET else min(wake_at, _expiry(form.expires_in, now))


def new_record(
    draft: Draft, now: datetime, look_at: datetime, *, job_id: str | None = None
) -> dict[str, Any]:
    """Return the record of a new job; a pending one is looked at again at `look_at`."""
    form = draft.form
    state, reason, wake_at = _standing(form, now, look_at)
    record: dict[str, Any] = {
        "_id": job_id or draft.job_id,
        "owner": draft.owner,
        "task": form.task,
        "payload": draft.payload,
        "state": str(state),
        "version": 1,
        "revision": 0,
        "failures": 0,
        "max_attempts": draft.task.max_attempts if form.max_attempts is UNSET else form.max_attempts,
        "timeout": draft.task.timeout if form.timeout is UNSET else form.timeout,
        "wake_at": wake_at,
        "redrives": 0,
        "created_at": now,
        "updated_at": now,
    }
    if draft.task.digest is not None:
        record["digest"] = draft.task.digest
    if reason is not None:
        record["reason"] = str(reason)
    if form.tags:
        record["tags"] = form.tags
    if form.unique_key is not UNSET:
        record["unique_key"] = form.unique_key
    if form.priority == LOW:
        record["priority"] = LOW
    if form.expires_in is not UNSET:
        expire_by = _expiry(form.expires_in, now)
        # Whoever looks at an expired job gives it up, so it is looked at when it expires.
        record |= {"expire_by": expire_by, "wake_at": min(wake_at, expire_by)}
    if draft.key is not None:
        record["idempotency"] = {"key": draft.key[0], "hash": draft.key[1].hex()}
    if draft.traceparent is not None:
        record["traceparent"] = draft.traceparent
    return record


def _standing(
    form: Submission, now: datetime, look_at: datetime
) -> tuple[JobState, WaitReason | None, datetime]:
    due = _due(form, now)
    if due is not None and due > now:
        return JobState.WAITING, WaitReason.SCHEDULED, due
    if form.priority == LOW:
        return JobState.WAITING, WaitReason.LOW_PRIORITY, now + PARKED
    return JobState.PENDING, None, look_at


def _due(form: Submission, now: datetime) -> datetime | None:
    if form.run_at is not UNSET:
        return whole_milliseconds(form.run_at.astimezone(UTC))
    if form.delay is not UNSET and form.delay > 0:
        return whole_milliseconds(now + timedelta(seconds=form.delay))
    return None


def _expiry(expires_in: float, now: datetime) -> datetime:
    return whole_milliseconds(now + timedelta(seconds=expires_in))

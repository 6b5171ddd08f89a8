"""Taking a job in: read, judge, store with all that came meanwhile, answer, and only then tell Kafka."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET
from uuid_utils import uuid7

from api.catalogue import Catalogue, CatalogueEntry
from api.forms import MAX_AHEAD, Reader, Submission, decode_part
from api.problems import INVALID_REQUEST, KEY_REUSED, FieldError, Problem, invalid, unavailable
from job_contracts.lifecycle import JobState, WaitReason
from job_contracts.record import GRACE
from job_contracts.views import Record, encode_view, job_view
from service_chassis.grouping import Grouped

KEY_LENGTH: Final = 255
"""Longest Idempotency-Key: a UUID or a name, not a document."""

_TICK: Final = 0.25
"""Seconds; `wake_at` of new jobs is rounded up to it, so that many share one value (see `backlog.py`)."""


class SubmissionStore(Protocol):
    """Where jobs are kept."""

    async def insert(self, records: Sequence[dict[str, Any]]) -> set[int]:
        """Store new jobs at once; return the positions whose idempotency key was there before."""

    async def by_idempotency_keys(
        self, keys: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], tuple[Record, bytes | None]]:
        """Return the jobs, with results, that hold these (owner, key)."""


class Announcer(Protocol):
    """Tells others behind the answer; never waits, never fails."""

    def stored(self, records: Sequence[tuple[Record, bytes]]) -> None:
        """New jobs and their views are stored."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission: the job's view, and whether this very request made the job."""

    job_id: str
    view: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission that was judged and waits to be stored."""

    owner: str
    form: Submission
    payload: str
    task: CatalogueEntry
    key: tuple[str, bytes] | None
    traceparent: str | None


Outcome = Accepted | Problem


class Submissions:
    """Accepts jobs.

    Parameters
    ----------
    patience
        Longest wait for the store, queueing included: nobody waits behind a stuck group.
    now
        The database's time as far as it is known.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        store: SubmissionStore,
        announcer: Announcer,
        now: Callable[[], datetime],
        patience: timedelta,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._announcer = announcer
        self._now = now
        self._patience = patience.total_seconds()
        self._reader = Reader(Submission)
        self._group: Grouped[Draft, Outcome] = Grouped(self._store_group)

    async def accept(
        self, raw: bytes, *, owner: str, key: str | None = None, traceparent: str | None = None
    ) -> Accepted:
        """Store the job that these bytes ask for, or find the one an earlier request of this key made.

        Raises
        ------
        Problem
            The request does not fit, or the store did not answer in time.
        """
        if key is not None and not 0 < len(key) <= KEY_LENGTH:
            raise Problem(INVALID_REQUEST, f"Idempotency-Key must have 1 to {KEY_LENGTH} characters")
        try:
            async with asyncio.timeout(self._patience):
                draft = await self._judge(raw, owner, key, traceparent)
                outcome = await self._group.submit(draft)
        except TimeoutError as error:
            raise unavailable("the database did not answer in time") from error
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def _judge(self, raw: bytes, owner: str, key: str | None, traceparent: str | None) -> Draft:
        form, document, errors = self._reader.read(raw)
        if form is None:
            raise invalid(errors + await self._further_errors(document))
        if form.run_at is not UNSET and (wrong := self._wrong_time(form)):
            raise invalid([wrong])
        task = await self._catalogue.task(form.task)
        payload = {} if form.payload is UNSET else decode_part(form.payload, raw)
        if not task.fits(payload):
            raise invalid(task.errors(payload))
        text = "{}" if form.payload is UNSET else msgspec.json.format(form.payload, indent=-1).decode()
        return Draft(
            owner=owner,
            form=form,
            payload=text,
            task=task,
            key=None if key is None else (key, hashlib.sha256(raw).digest()),
            traceparent=traceparent,
        )

    async def _further_errors(self, document: Any) -> list[FieldError]:
        """Look for what is wrong beside the form itself, so that a client sees all of it at once."""
        if not isinstance(document, dict) or not isinstance(name := document.get("task"), str):
            return []
        try:
            return (await self._catalogue.task(name)).errors(document.get("payload", {}))
        except Problem as unknown:
            return unknown.errors if name else []

    def _wrong_time(self, form: Submission) -> FieldError | None:
        if form.delay is not UNSET:
            return FieldError("/run_at", "not together with delay")
        assert form.run_at is not UNSET  # noqa: S101  the caller has looked
        if abs((form.run_at - self._now()).total_seconds()) > MAX_AHEAD:
            return FieldError("/run_at", "more than 366 days away")
        return None

    async def _store_group(self, drafts: Sequence[Draft]) -> list[Outcome]:
        async with asyncio.timeout(self._patience):
            now = _whole_milliseconds(self._now())
            wake_at = datetime.fromtimestamp(-(-(now + GRACE).timestamp() // _TICK) * _TICK, UTC)
            records = [_record(draft, now, wake_at) for draft in drafts]
            first = _first_of_each_key(drafts)
            lost = await self._store.insert([records[i] for i in first])
            new = [i for position, i in enumerate(first) if position not in lost]
            views = {i: encode_view(job_view(records[i])) for i in new}
            self._announcer.stored([(records[i], views[i]) for i in new])
            if len(new) == len(drafts):
                return [Accepted(r["_id"], views[i], True) for i, r in enumerate(records)]
            return await self._with_earlier(drafts, records, views)

    async def _with_earlier(
        self, drafts: Sequence[Draft], records: Sequence[Record], views: Mapping[int, bytes]
    ) -> list[Outcome]:
        wanted = {(d.owner, d.key[0]) for i, d in enumerate(drafts) if i not in views and d.key}
        earlier = await self._store.by_idempotency_keys(wanted)
        outcomes: list[Outcome] = []
        for i, draft in enumerate(drafts):
            if i in views:
                outcomes.append(Accepted(records[i]["_id"], views[i], True))
            else:
                outcomes.append(_answer_again(draft, earlier))
        return outcomes


def _answer_again(draft: Draft, earlier: Mapping[tuple[str, str], tuple[Record, bytes | None]]) -> Outcome:
    key, digest = draft.key or ("", b"")
    found = earlier.get((draft.owner, key))
    if found is None:
        # It was removed between our insert and our look: a repeat will get through.
        return unavailable("the job of this Idempotency-Key has just been removed")
    record, result = found
    if record["idempotency"]["hash"] != digest.hex():
        return Problem(KEY_REUSED, f"job {record['_id']} was made with this key and another body")
    return Accepted(record["_id"], encode_view(job_view(record, result)), False)


def _first_of_each_key(drafts: Sequence[Draft]) -> list[int]:
    seen: set[tuple[str, str]] = set()
    first = []
    for i, draft in enumerate(drafts):
        if draft.key is not None:
            if (name := (draft.owner, draft.key[0])) in seen:
                continue
            seen.add(name)
        first.append(i)
    return first


def _whole_milliseconds(moment: datetime) -> datetime:
    # MongoDB keeps milliseconds: what is answered must be what is stored.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _record(draft: Draft, now: datetime, wake_at: datetime) -> dict[str, Any]:
    form = draft.form
    due = _due(form, now)
    waits = due is not None and due > now
    record: dict[str, Any] = {
        "_id": str(uuid7()),
        "owner": draft.owner,
        "task": form.task,
        "payload": draft.payload,
        "state": str(JobState.WAITING if waits else JobState.PENDING),
        "version": 1,
        "revision": 0,
        "failures": 0,
        "max_attempts": draft.task.max_attempts if form.max_attempts is UNSET else form.max_attempts,
        "timeout": draft.task.timeout if form.timeout is UNSET else form.timeout,
        "wake_at": due if waits else wake_at,
        "redrives": 0,
        "created_at": now,
        "updated_at": now,
    }
    if waits:
        record["reason"] = str(WaitReason.SCHEDULED)
    if form.tags:
        record["tags"] = form.tags
    if draft.key is not None:
        record["idempotency"] = {"key": draft.key[0], "hash": draft.key[1].hex()}
    if draft.traceparent is not None:
        record["traceparent"] = draft.traceparent
    return record


def _due(form: Submission, now: datetime) -> datetime | None:
    if form.run_at is not UNSET:
        return _whole_milliseconds(form.run_at.astimezone(UTC))
    if form.delay is not UNSET and form.delay > 0:
        return _whole_milliseconds(now + timedelta(seconds=form.delay))
    return None

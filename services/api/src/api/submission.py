"""Taking a job in: read, judge, store with all that came meanwhile, answer, and only then tell Kafka."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from api.catalogue import Catalogue
from api.conflating import News
from api.drafting import Draft, first_look, new_record, payload_of, whole_milliseconds, wrong_times
from api.forms import Reader, Submission
from api.problems import INVALID_REQUEST, KEY_REUSED, FieldError, Problem, invalid, unavailable
from job_contracts.views import Record, encode_view, job_view
from service_chassis import failpoints
from service_chassis.grouping import Grouped

KEY_LENGTH: Final = 255
"""Longest Idempotency-Key: a UUID or a name, not a document."""

KEY_PATTERN: Final = f"^[!-~]{{1,{KEY_LENGTH}}}$"

_KEY: Final = re.compile(KEY_PATTERN.strip("^$"))

_TRIES: Final = 3
"""A job that held a key may end, or be removed, between our insert and our look: then the key is free."""

Key = tuple[str, str]
"""An owner and a key of theirs."""


class Holders(NamedTuple):
    """The jobs that hold keys: by Idempotency-Key, with results, and live ones by `unique_key`."""

    idempotency: Mapping[Key, tuple[Record, bytes | None]]
    unique: Mapping[Key, Record]


class SubmissionStore(Protocol):
    """Where jobs are kept."""

    async def insert(self, records: Sequence[dict[str, Any]]) -> set[int]:
        """Store new jobs at once; return the positions of those that have a key another job holds."""

    async def holders(self, *, idempotency: Iterable[Key], unique: Iterable[Key]) -> Holders:
        """Return the jobs that hold these keys."""

    async def versions(self, ids: Collection[str]) -> Mapping[str, object]:
        """Return something of those of these jobs that are there."""


class Announcer(Protocol):
    """Tells others behind the answer; never waits, never fails."""

    def stored(self, records: Sequence[News]) -> None:
        """These new jobs are stored."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission: the job's view, and whether this very request made the job."""

    job_id: str
    view: bytes
    is_new: bool


Outcome = Accepted | Problem
NewJob = tuple[dict[str, Any], bytes]
"""The record of a job that is to be stored, and its view."""


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
        self._group: Grouped[Draft, Outcome] = Grouped(self._store_group, within=patience)

    async def accept(
        self, raw: bytes, *, owner: str, key: str | None = None, traceparent: str | None = None
    ) -> Accepted:
        """Store the job that these bytes ask for, or find the one an earlier request of this key made.

        Raises
        ------
        Problem
            The request does not fit, or the store did not answer in time.
        """
        check_key(key)
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
        if wrong := wrong_times(form, self._now()):
            raise invalid(wrong)
        task = await self._catalogue.task(form.task)
        return Draft(
            owner=owner,
            form=form,
            payload=payload_of(form, task, raw),
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

    async def _store_group(self, drafts: Sequence[Draft]) -> list[Outcome]:
        now = whole_milliseconds(self._now())
        look_at = first_look(now)
        records = [new_record(draft, now, look_at) for draft in drafts]
        # Before anything is stored: what cannot be shown fails here, and the group is made again without it.
        views = [encode_view(job_view(record)) for record in records]
        answers: dict[int, Outcome] = {}
        for _ in range(_TRIES):
            await self._store_once(drafts, list(zip(records, views, strict=True)), answers)
            if len(answers) == len(drafts):
                break
        busy = unavailable("the jobs that hold this key come and go too fast")
        return [answers.get(i, busy) for i in range(len(drafts))]

    async def _store_once(
        self, drafts: Sequence[Draft], jobs: Sequence[NewJob], answers: dict[int, Outcome]
    ) -> None:
        """Store what has no answer yet, and answer the others with the jobs that hold their keys."""
        first = _first_of_each_key(drafts, [i for i in range(len(drafts)) if i not in answers])
        lost = await self._store.insert([jobs[i][0] for i in first])
        if failpoints.ON:
            failpoints.hit("after_insert")
        self._take(jobs, [i for position, i in enumerate(first) if position not in lost], answers)
        if losers := [i for i in range(len(drafts)) if i not in answers]:
            holders = await self._store.holders(
                idempotency={key for i in losers if (key := drafts[i].idempotency)},
                unique={key for i in losers if (key := drafts[i].unique)},
            )
            for i in losers:
                if (answer := _answer_of_holder(drafts[i], holders)) is not None:
                    answers[i] = answer
        if rest := {drafts[i].job_id: i for i in range(len(drafts)) if i not in answers}:
            # An earlier try has stored these, in a group of which another could not be stored.
            self._take(jobs, [rest[job_id] for job_id in await self._store.versions(rest)], answers)

    def _take(self, jobs: Sequence[NewJob], which: Sequence[int], answers: dict[int, Outcome]) -> None:
        self._announcer.stored([jobs[i] for i in which])
        for i in which:
            record, view = jobs[i]
            answers[i] = Accepted(record["_id"], view, True)


def check_key(key: str | None) -> None:
    """Raise `Problem` if this cannot be an Idempotency-Key."""
    if key is not None and not _KEY.fullmatch(key):
        detail = f"Idempotency-Key must have 1 to {KEY_LENGTH} characters of visible ASCII"
        raise Problem(INVALID_REQUEST, detail)


def _answer_of_holder(draft: Draft, holders: Holders) -> Outcome | None:
    if draft.key is not None and (found := holders.idempotency.get((draft.owner, draft.key[0]))):
        record, result = found
        if record["idempotency"]["hash"] != draft.key[1].hex():
            return Problem(KEY_REUSED, f"job {record['_id']} was made with this key and another body")
        return Accepted(record["_id"], encode_view(job_view(record, result)), False)
    if draft.unique is not None and (holder := holders.unique.get(draft.unique)):
        return Accepted(holder["_id"], encode_view(job_view(holder)), False)
    return None


def _first_of_each_key(drafts: Sequence[Draft], among: Sequence[int]) -> list[int]:
    seen: set[tuple[str, Key]] = set()
    first = []
    for i in among:
        named = (("idempotency", drafts[i].idempotency), ("unique", drafts[i].unique))
        keys = [(sort, key) for sort, key in named if key is not None]
        if seen.isdisjoint(keys):
            first.append(i)
            seen.update(keys)
    return first

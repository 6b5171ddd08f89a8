"""Taking many jobs in at once: first the batch, then its jobs, so that a repeat after a crash completes it.

The ids of its jobs follow from that of the batch. Whoever repeats a request with the same
Idempotency-Key finds the batch, and stores what is missing of it; once all are stored the batch says so, and
a repeat only tells how they stand.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple, Protocol

from msgspec import UNSET, Struct
from uuid_utils import uuid7

from api.batch_drafting import BatchDrafting
from api.drafting import Draft, first_look, new_record, wake_of, whole_milliseconds
from api.forms import BatchSubmission
from api.problems import KEY_REUSED, NOT_FOUND, Problem, unavailable
from api.room import Room
from api.submission import Announcer, Holders, Key, check_key
from job_contracts.lifecycle import LIVE, JobState
from job_contracts.messages import is_job_id
from job_contracts.views import Record
from service_chassis import failpoints
from service_chassis.grouping import Grouped

_TRIES: Final = 3
"""A job that held a `unique_key` may end between our insert and our look: then the key is free."""

AT_ONCE: Final = 1_000
"""Jobs of batches that are judged and stored at a time. The next batches wait as bytes, which are much less."""

_KEY: Final = b'"task"'

BatchRecord = Mapping[str, Any]


class Stored(NamedTuple):
    """A batch all of whose jobs are stored, but those that give way to the ones named here, by their index."""

    batch_id: str
    held: Mapping[str, str]


class BatchStore(Protocol):
    """Where batches are kept."""

    async def begin(self, batches: Sequence[dict[str, Any]]) -> Sequence[BatchRecord]:
        """Store batches and return each, or the one that has its Idempotency-Key."""

    async def complete(self, batches: Sequence[Stored]) -> None:
        """Note that all jobs of these batches are stored, but those that give way to others."""

    async def batch(self, batch_id: str, *, owner: str) -> BatchRecord | None:
        """Return a batch."""

    async def counts(self, batch_id: str) -> Mapping[str, int]:
        """Return how many jobs of a batch are in each state."""


class BatchJobs(Protocol):
    """Where jobs are kept."""

    async def insert(self, records: Sequence[dict[str, Any]]) -> set[int]:
        """Store new jobs at once; return the positions of those whose id or key another job has."""

    async def holders(self, *, idempotency: Iterable[Key], unique: Iterable[Key]) -> Holders:
        """Return the jobs that hold these keys."""

    async def standing(self, ids: Collection[str], *, owner: str) -> list[Record]:
        """Return how those of these jobs stand that are there."""


class BatchedJob(Struct, frozen=True):
    """A job of a batch; of one that was removed since nobody knows the state."""

    id: str
    state: str | None


class BatchAnswer(Struct, frozen=True):
    """What POST /jobs/batch answers: the jobs in the order of the request."""

    batch: str
    jobs: list[BatchedJob]


class BatchView(Struct, frozen=True, kw_only=True):
    """What GET /batches/{id} answers; `done` when all are stored and none is live any more."""

    id: str
    name: str | None
    created_at: datetime
    total: int
    jobs: dict[str, int]
    done: bool
    webhook: None = None


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """The answer, and whether this request has stored any of it."""

    answer: BatchAnswer
    is_new: bool


class Batching:
    """Accepts batches and says how they stand.

    Parameters
    ----------
    room
        A place for each job that is judged or stored.
    kept
        How long a batch is known after the last of its jobs may begin.
    """

    def __init__(
        self,
        *,
        drafting: BatchDrafting,
        batches: BatchStore,
        jobs: BatchJobs,
        announcer: Announcer,
        room: Room,
        now: Callable[[], datetime],
        patience: timedelta,
        kept: timedelta,
    ) -> None:
        self._drafting = drafting
        self._batches = batches
        self._jobs = jobs
        self._announcer = announcer
        self._room = room
        self._now = now
        self._patience = patience.total_seconds()
        self._kept = kept
        # Batches that come together share what they write: each round trip and flush has a price of its own.
        self._begun: Grouped[dict[str, Any], BatchRecord] = Grouped(batches.begin, within=patience)
        self._inserted: Grouped[Sequence[dict[str, Any]], set[int]] = Grouped(self._insert, within=patience)
        self._completed: Grouped[Stored, None] = Grouped(self._complete, within=patience)

    async def accept(
        self, raw: bytes, *, owner: str, key: str | None = None, traceparent: str | None = None
    ) -> AcceptedBatch:
        """Store the batch that these bytes ask for, or what is missing of it since an earlier request.

        Raises
        ------
        Problem
            Some job does not fit, and none is stored; or others were before it for twice its patience, or the store
            did not answer for all of it.
        """
        check_key(key)
        places = await self._enter(raw)
        try:
            async with asyncio.timeout(self._patience):
                form, drafts = await self._drafting.read(raw, owner=owner, traceparent=traceparent)
                wanted = self._wanted(form, drafts, owner)
                if key is not None:
                    wanted["idempotency"] = {"key": key, "hash": hashlib.sha256(raw).hexdigest()}
                return await self._accept(wanted, drafts)
        except TimeoutError as error:
            raise unavailable("the database did not answer in time") from error
        finally:
            self._room.leave(places)

    async def _enter(self, raw: bytes) -> int:
        # About as many jobs as there seem to be: what they are is known only when they have been read.
        jobs = raw.count(_KEY) + len(raw) // 4_096
        try:
            async with asyncio.timeout(2 * self._patience):
                return await self._room.enter(jobs)
        except TimeoutError as error:
            raise unavailable("other batches are being stored, and this one has waited its time") from error

    def _wanted(self, form: BatchSubmission, drafts: Sequence[Draft], owner: str) -> dict[str, Any]:
        began = whole_milliseconds(self._now())
        batch = {"_id": str(uuid7()), "owner": owner, "size": len(drafts), "created_at": began}
        if form.name is not UNSET:
            batch["name"] = form.name
        look_at = first_look(began)
        latest = max(wake_of(draft.form, began, look_at) for draft in drafts)
        return {**batch, "expire_at": latest + self._kept}

    async def _accept(self, wanted: dict[str, Any], drafts: Sequence[Draft]) -> AcceptedBatch:
        batch = await self._begun.submit(wanted)
        if failpoints.ON:
            failpoints.hit("after_batch")
        if batch.get("idempotency") != wanted.get("idempotency"):
            raise Problem(KEY_REUSED, f"batch {batch['_id']} was made with this key and another body")
        if "stored" in batch:
            return AcceptedBatch(await self._told(batch, batch.get("held", {}), {}), False)
        held, states = await self._store(batch, drafts)
        await self._completed.submit(Stored(batch["_id"], held))
        return AcceptedBatch(await self._told(batch, held, states), True)

    async def look(self, batch_id: str, *, owner: str) -> BatchView:
        """Return how a batch stands; `Problem` if there is none of this id."""
        batch = await self._batches.batch(batch_id, owner=owner) if is_job_id(batch_id) else None
        if batch is None:
            raise Problem(NOT_FOUND, f"no batch {batch_id[:64]!r}")
        counts = {**dict.fromkeys(map(str, JobState), 0), **await self._batches.counts(batch_id)}
        return BatchView(
            id=batch_id,
            name=batch.get("name"),
            created_at=batch["created_at"],
            total=batch["size"] - len(batch.get("held", {})),
            jobs=counts,
            done="stored" in batch and not any(counts[state] for state in LIVE),
        )

    def _records(self, batch: BatchRecord, drafts: Sequence[Draft]) -> list[dict[str, Any]]:
        # Times count from when the batch began, whichever request completes it.
        began, look_at = batch["created_at"], first_look(whole_milliseconds(self._now()))
        ids = jobs_of(batch["_id"], len(drafts))
        records = [
            new_record(draft, began, look_at, job_id=job_id)
            for draft, job_id in zip(drafts, ids, strict=True)
        ]
        for record in records:
            record["batch"] = batch["_id"]
        return records

    async def _store(
        self, batch: BatchRecord, drafts: Sequence[Draft]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Store the jobs that are not there yet.

        Returns those that give way to the holders of their keys, and the states of those that were stored here.
        """
        records = self._records(batch, drafts)
        missing, held, states = list(range(len(records))), dict[str, str](), dict[str, str]()
        for _ in range(_TRIES):
            lost = await self._inserted.submit([records[i] for i in missing])
            if failpoints.ON:
                failpoints.hit("after_insert")
            new = [records[i] for position, i in enumerate(missing) if position not in lost]
            self._announcer.stored([(record, None) for record in new])
            states |= {record["_id"]: record["state"] for record in new}
            missing = [i for position, i in enumerate(missing) if position in lost]
            if missing:
                # Some were stored by an earlier request. The others have met a job that holds their key.
                ids = [records[i]["_id"] for i in missing]
                there = {job["_id"] for job in await self._jobs.standing(ids, owner=batch["owner"])}
                missing = [i for i in missing if records[i]["_id"] not in there]
                held |= await self._holders({i: key for i in missing if (key := drafts[i].unique)})
                missing = [i for i in missing if str(i) not in held]
            if not missing:
                return held, states
        raise unavailable("the jobs that hold a unique_key come and go too fast")

    async def _insert(self, parts: Sequence[Sequence[dict[str, Any]]]) -> list[set[int]]:
        """Store the records of several batches; return which of each were lost, by their place in it."""
        lost = await self._jobs.insert([record for part in parts for record in part])
        begins = accumulate((len(part) for part in parts), initial=0)
        return [
            {i - begin for i in lost if begin <= i < begin + len(part)}
            for part, begin in zip(parts, begins, strict=False)
        ]

    async def _complete(self, batches: Sequence[Stored]) -> Sequence[None]:
        await self._batches.complete(batches)
        return [None] * len(batches)

    async def _holders(self, keys: Mapping[int, Key]) -> dict[str, str]:
        """Return the jobs that hold these keys, by the index of the one that would."""
        if not keys:
            return {}
        found = (await self._jobs.holders(idempotency=(), unique=keys.values())).unique
        return {str(i): found[key]["_id"] for i, key in keys.items() if key in found}

    async def _told(
        self, batch: BatchRecord, held: Mapping[str, str], states: Mapping[str, str]
    ) -> BatchAnswer:
        """Say how the jobs stand: as they were stored, for those whose `states` are known from that."""
        ids = [held.get(str(i)) or job_id for i, job_id in enumerate(jobs_of(batch["_id"], batch["size"]))]
        if others := [job_id for job_id in ids if job_id not in states]:
            found = await self._jobs.standing(others, owner=batch["owner"])
            states = {**states, **{job["_id"]: job["state"] for job in found}}
        return BatchAnswer(batch["_id"], [BatchedJob(job_id, states.get(job_id)) for job_id in ids])


def jobs_of(batch_id: str, count: int) -> list[str]:
    """Return the ids of the jobs in a batch, in order: UUIDv7 of the batch's time.

    >>> jobs_of("0198c0de-1234-7000-8000-000000000000", 11)[10]
    '0198c0de-1234-700a-a20a-3c239bc67aae'
    """
    tail = hashlib.sha256(batch_id.encode()).hexdigest()
    variant = "89ab"[int(tail[0], 16) % 4]
    head, end = f"{batch_id[:13]}-7", f"-{variant}{tail[1:4]}-{tail[4:16]}"
    return [f"{head}{index:03x}{end}" for index in range(count)]

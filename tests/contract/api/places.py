"""Where the api's use cases keep jobs and letters: in memory, and in MongoDB, under the same unique keys."""

from collections import Counter
from collections.abc import Collection as Items
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from api.batch_store import MongoBatchStore
from api.batching import BatchRecord, BatchStore, Stored
from api.dead_letters import DeadLetters, JobLetters, LetterFilters
from api.listing import JobFilters, ListQuery, query_of
from api.moving import KeyHeldError
from api.store import MongoJobStore, Page
from api.submission import Holders, Key
from job_contracts.lifecycle import LIVE
from job_contracts.record import HISTORY, Collection, GuardedMove
from job_contracts.views import Record
from service_chassis.mongo import Mongo
from tests.contract.memory import matches, run

Document = dict[str, Any]


class Jobs(Protocol):
    """What the use cases of the api ask of the store of jobs."""

    async def insert(self, records: Sequence[Document]) -> set[int]: ...
    async def holders(self, *, idempotency: Iterable[Key], unique: Iterable[Key]) -> Holders: ...
    async def newest(self, *, owner: str) -> str | None: ...
    async def query(self, filters: JobFilters, after: str | None, *, owner: str) -> ListQuery: ...
    async def stubs(self, query: ListQuery, *, limit: int) -> Page: ...
    async def standing(self, ids: Items[str], *, owner: str) -> list[Record]: ...
    async def job(self, job_id: str, *, owner: str) -> Record | None: ...
    async def jobs(self, ids: Items[str]) -> list[Record]: ...
    async def move(self, move: GuardedMove) -> Record | None: ...
    async def change(self, moves: Sequence[GuardedMove]) -> int: ...
    async def remove(self, job_id: str, *, owner: str, states: Sequence[str]) -> bool: ...


class Letters(Protocol):
    """What they ask of dead letters."""

    async def of_jobs(
        self, filters: LetterFilters, *, owner: str, limit: int, cursor: str | None
    ) -> JobLetters: ...
    async def redriven(self, letter_ids: Items[str]) -> None: ...
    async def job_redriven(self, job_id: str) -> None: ...


class Place(NamedTuple):
    """Both, and a way to put letters there and look at all that is there."""

    jobs: Jobs
    letters: Letters
    shelf: "Shelf"
    batches: BatchStore


class Shelf(Protocol):
    """The other side of the stores."""

    async def put_letters(self, letters: Sequence[Document]) -> None: ...
    async def stored_letters(self) -> dict[str, Document]: ...


class MemoryJobs:
    """Dictionaries that obey guarded moves and unique indexes."""

    def __init__(self) -> None:
        self.records: dict[str, Document] = {}

    async def insert(self, records: Sequence[Document]) -> set[int]:
        lost = set()
        for i, new in enumerate(records):
            if new["_id"] in self.records or self._is_refused(new):
                lost.add(i)
            else:
                self.records[new["_id"]] = deepcopy(new)
        return lost

    async def holders(self, *, idempotency: Iterable[Key], unique: Iterable[Key]) -> Holders:
        asked, held = set(idempotency), set(unique)
        by_key = {_idempotency(r): (r, None) for r in self.records.values() if _idempotency(r) in asked}
        live = {_unique(r): r for r in self.records.values() if r["state"] in LIVE and _unique(r) in held}
        return Holders(by_key, live)

    async def newest(self, *, owner: str) -> str | None:
        return max((r["_id"] for r in self.records.values() if r["owner"] == owner), default=None)

    async def query(self, filters: JobFilters, after: str | None, *, owner: str) -> ListQuery:
        tasks = {r["task"] for r in self.records.values() if r["owner"] == owner}
        return query_of(owner, filters, after, tasks=sorted(tasks))

    async def stubs(self, query: ListQuery, *, limit: int) -> Page:
        now, wanted = datetime.now(UTC), {**query.lead, **query.rest}
        found = sorted(i for i, r in self.records.items() if matches(r, wanted, now))
        stubs: list[Record] = [{"_id": i, "state": self.records[i]["state"]} for i in found[:limit]]
        return Page(stubs, found[limit - 1] if len(found) > limit else None)

    async def standing(self, ids: Items[str], *, owner: str) -> list[Record]:
        return [r for r in await self.jobs(ids) if r["owner"] == owner]

    async def job(self, job_id: str, *, owner: str) -> Record | None:
        found = self.records.get(job_id)
        return found if found and found["owner"] == owner else None

    async def jobs(self, ids: Items[str]) -> list[Record]:
        return [
            {name: value for name, value in self.records[i].items() if name not in HISTORY}
            for i in ids
            if i in self.records
        ]

    async def move(self, move: GuardedMove) -> Record | None:
        now = datetime.now(UTC)
        for job_id, record in self.records.items():
            if matches(record, move.filter, now):
                after = run(move.update, record, now)
                if self._is_refused(after):
                    raise KeyHeldError
                self.records[job_id] = after
                return after
        return None

    async def change(self, moves: Sequence[GuardedMove]) -> int:
        changed, now = 0, datetime.now(UTC)
        for move in moves:
            for job_id, record in self.records.items():
                if not matches(record, move.filter, now):
                    continue
                after = run(move.update, record, now)
                if self._is_refused(after):
                    break
                self.records[job_id] = after
                changed += 1
        return changed

    async def remove(self, job_id: str, *, owner: str, states: Sequence[str]) -> bool:
        raise NotImplementedError

    def _is_refused(self, new: Document) -> bool:
        others = [r for r in self.records.values() if r["_id"] != new["_id"]]
        key, unique = _idempotency(new), _unique(new)
        if key is not None and any(_idempotency(r) == key for r in others):
            return True
        live = [r for r in others if r["state"] in LIVE] if new["state"] in LIVE else []
        return unique is not None and any(_unique(r) == unique for r in live)


def _idempotency(record: Mapping[str, Any]) -> Any:
    key = record.get("idempotency", {}).get("key")
    return None if key is None else (record["owner"], key)


def _unique(record: Mapping[str, Any]) -> Any:
    key = record.get("unique_key")
    return None if key is None else (record["owner"], key)


_PATHS: Final = {"kind": "kind", "task": "task", "error_type": "error.type"}


class MemoryLetters:
    """Letters in a list."""

    def __init__(self) -> None:
        self.kept: dict[str, Document] = {}

    async def of_jobs(
        self, filters: LetterFilters, *, owner: str, limit: int, cursor: str | None
    ) -> JobLetters:
        wanted: Document = {"owner": owner, "job": {"$exists": True}}
        wanted |= {path: value for name, path in _PATHS.items() if (value := getattr(filters, name))}
        bounds = {"$gte": filters.after, "$lt": filters.before}
        wanted["created_at"] = {operator: at for operator, at in bounds.items() if at is not None}
        now = datetime.now(UTC)
        found = [
            doc
            for doc in sorted(self.kept.values(), key=_age, reverse=True)
            if matches(doc, wanted, now) and (cursor is None or _age(doc) < _age(self.kept[cursor]))
        ]
        more = len(found) > limit
        return JobLetters(
            [(doc["_id"], doc["job"]) for doc in found[:limit]], found[limit - 1]["_id"] if more else None
        )

    async def redriven(self, letter_ids: Items[str]) -> None:
        for letter_id in letter_ids:
            self.kept[letter_id]["redriven"] += 1

    async def job_redriven(self, job_id: str) -> None:
        letters = [doc for doc in self.kept.values() if doc.get("job") == job_id]
        if letters:
            max(letters, key=_age)["redriven"] += 1

    async def put_letters(self, letters: Sequence[Document]) -> None:
        self.kept |= {doc["_id"]: deepcopy(doc) for doc in letters}

    async def stored_letters(self) -> dict[str, Document]:
        return self.kept


def _age(doc: Document) -> tuple[datetime, str]:
    return doc["created_at"], doc["_id"]


class MemoryBatches:
    """Batches beside the jobs in memory."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs
        self._batches: dict[str, Document] = {}

    async def begin(self, batches: Sequence[Document]) -> list[BatchRecord]:
        return [self._begin(batch) for batch in batches]

    def _begin(self, batch: Document) -> BatchRecord:
        same = [b for b in self._batches.values() if _idempotency(b) == _idempotency(batch) is not None]
        return same[0] if same else self._batches.setdefault(batch["_id"], deepcopy(batch))

    async def complete(self, batches: Sequence[Stored]) -> None:
        for batch_id, held in batches:
            batch = self._batches[batch_id]
            if "stored" not in batch:
                self._batches[batch_id] = {**batch, "stored": True, **({"held": dict(held)} if held else {})}

    async def batch(self, batch_id: str, *, owner: str) -> BatchRecord | None:
        found = self._batches.get(batch_id)
        return found if found and found["owner"] == owner else None

    async def counts(self, batch_id: str) -> Mapping[str, int]:
        return Counter(r["state"] for r in self._jobs.records.values() if r.get("batch") == batch_id)


class MongoShelf:
    """Letters on a real server."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def put_letters(self, letters: Sequence[Document]) -> None:
        await self._mongo.collection(Collection.DEAD_LETTERS).insert_many(deepcopy(list(letters)))

    async def stored_letters(self) -> dict[str, Document]:
        found = await self._mongo.collection(Collection.DEAD_LETTERS).find({}).to_list(None)
        return {doc["_id"]: doc for doc in found}


def in_memory() -> Place:
    """Return a place in memory."""
    letters = MemoryLetters()
    jobs = MemoryJobs()
    return Place(jobs, letters, letters, MemoryBatches(jobs))


async def in_mongo(mongo: Mongo) -> Place:
    """Return an empty place on a real server."""
    for name in (Collection.JOBS, Collection.DEAD_LETTERS, Collection.BATCHES):
        await mongo.collection(name).delete_many({})
    return Place(MongoJobStore(mongo), DeadLetters(mongo), MongoShelf(mongo), MongoBatchStore(mongo))

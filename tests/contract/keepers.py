"""Where records can be kept: what the suites need of memory and of MongoDB alike."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from dlq_worker.parking import LetterStore
from dlq_worker.store import MongoLetterStore
from job_contracts.minutes import KEPT
from job_contracts.record import Collection, GuardedMove
from result_worker.figures import MinuteStore
from result_worker.recording import ResultStore
from result_worker.store import MongoResultStore
from service_chassis.bulk import update_groups
from service_chassis.mongo import Mongo
from tests.contract.memory import MemoryStore


class Keeper(Protocol):
    """Somewhere to put records, and both stores upon it."""

    @property
    def results(self) -> ResultStore: ...

    @property
    def minutes(self) -> MinuteStore: ...

    @property
    def letters(self) -> LetterStore: ...

    async def put(self, *records: dict[str, Any]) -> None: ...

    async def apply(self, move: GuardedMove) -> int: ...

    async def job(self, job_id: str) -> Mapping[str, Any]: ...

    async def result(self, job_id: str, version: int) -> str | None: ...

    async def raw_letter(self, letter_id: str) -> bytes | None: ...

    async def ended(self, task: str) -> dict[str, float]:
        """All that was added to the minutes of a task, by its path."""
        ...


class MemoryKeeper:
    """Dictionaries."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    @property
    def results(self) -> ResultStore:
        return self._store

    @property
    def minutes(self) -> MinuteStore:
        return self._store

    @property
    def letters(self) -> LetterStore:
        return self._store

    async def put(self, *records: dict[str, Any]) -> None:
        self._store.jobs |= {record["_id"]: record for record in records}

    async def apply(self, move: GuardedMove) -> int:
        return await self._store.apply([move])

    async def job(self, job_id: str) -> Mapping[str, Any]:
        return self._store.jobs[job_id]

    async def result(self, job_id: str, version: int) -> str | None:
        return self._store.results.get((job_id, version))

    async def raw_letter(self, letter_id: str) -> bytes | None:
        letter = self._store.letters.get(letter_id)
        return None if letter is None else letter.raw

    async def ended(self, task: str) -> dict[str, float]:
        total: Counter[str] = Counter()
        for (_, _, of), sums in self._store.minutes.items():
            total.update(sums if of == task else {})
        return dict(total)


class MongoKeeper:
    """A real server."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = mongo

    @property
    def results(self) -> ResultStore:
        return MongoResultStore(self.mongo)

    @property
    def minutes(self) -> MinuteStore:
        return MongoResultStore(self.mongo)

    @property
    def letters(self) -> LetterStore:
        return MongoLetterStore(self.mongo)

    async def put(self, *records: dict[str, Any]) -> None:
        await self.mongo.collection(Collection.JOBS).insert_many(records)

    async def apply(self, move: GuardedMove) -> int:
        return await update_groups(self.mongo.collection(Collection.JOBS), [move])

    async def job(self, job_id: str) -> Mapping[str, Any]:
        record: Mapping[str, Any] = await self.mongo.collection(Collection.JOBS).find_one({"_id": job_id})
        return record

    async def result(self, job_id: str, version: int) -> str | None:
        key = {"job": job_id, "version": version}
        found = await self.mongo.collection(Collection.RESULTS).find_one({"_id": key})
        return None if found is None else str(found["result"])

    async def raw_letter(self, letter_id: str) -> bytes | None:
        found = await self.mongo.collection(Collection.DEAD_LETTERS).find_one({"_id": letter_id})
        return None if found is None else bytes(found["raw"])

    async def ended(self, task: str) -> dict[str, float]:
        total: Counter[str] = Counter()
        for minute in await self.mongo.collection(Collection.MINUTES).find({"_id.task": task}).to_list(None):
            assert minute.pop("expire_at") - minute.pop("_id")["minute"] == KEPT
            total.update(dict(_paths(minute)))
        return dict(total)


def _paths(document: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{under}{name}.")
        else:
            yield f"{under}{name}", value

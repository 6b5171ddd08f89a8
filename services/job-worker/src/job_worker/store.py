"""Keeps the worker's side of job records in MongoDB; translates and decides nothing."""

from collections.abc import Collection as Items
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument, UpdateOne

from job_contracts.lifecycle import JobState
from job_contracts.record import HISTORY, NOW, Collection, GuardedMove, after, due
from job_contracts.views import Record
from service_chassis.bulk import read_by_id, update_groups
from service_chassis.mongo import Mongo

_WITHOUT_HISTORY = dict.fromkeys(HISTORY, 0)


class MongoJobStore:
    """Reads and moves jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @property
    def _jobs(self) -> Any:
        return self._mongo.collection(Collection.JOBS)

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded moves in order, in one round trip; return how many records changed."""
        return await update_groups(self._jobs, moves, ordered=True)

    async def claimed_ids(self, ids: Sequence[str], token: str) -> set[str]:
        """Return which of these jobs the claim with this token has got."""
        found = await self._jobs.find({"_id": {"$in": list(ids)}, "claim": token}, {"_id": 1}).to_list(None)
        return {doc["_id"] for doc in found}

    async def records(self, ids: Items[str]) -> dict[str, Record]:
        """Return the records with these ids, without their history."""
        return await read_by_id(self._jobs, ids, without=HISTORY)

    async def running_of(self, worker: str) -> list[Record]:
        """Return the jobs that run under this worker's lease."""
        found: list[Record] = await self._jobs.find(
            {"worker": worker, "state": str(JobState.RUNNING)}, _WITHOUT_HISTORY
        ).to_list(None)
        return found

    async def cancel_requests(self, worker: str) -> dict[str, int]:
        """Return id and version of this worker's jobs that somebody wants cancelled."""
        query = {"worker": worker, "cancel_requested": True}
        found = await self._jobs.find(query, {"version": 1}).to_list(None)
        return {doc["_id"]: doc["version"] for doc in found}

    async def due(self, limit: int) -> list[Record]:
        """Return jobs whose `wake_at` has come, the longest overdue first."""
        found: list[Record] = (
            await self._jobs.find(due(), _WITHOUT_HISTORY).sort("wake_at", 1).limit(limit).to_list(None)
        )
        return found

    async def lapsed_workers(self) -> set[str]:
        """Return workers that have running jobs and no lease: first the jobs are read, then the leases."""
        named = await self._jobs.distinct("worker", {"worker": {"$exists": True}})
        if not named:
            return set()
        workers = self._mongo.collection(Collection.WORKERS)
        query = {"_id": {"$in": named}, "$expr": {"$gt": ["$alive_until", NOW]}}
        alive = await workers.find(query, {"_id": 1}).to_list(None)
        return set(named) - {doc["_id"] for doc in alive}

    async def live_workers(self) -> list[Record]:
        """Return every worker whose lease holds."""
        workers = self._mongo.collection(Collection.WORKERS)
        found: list[Record] = await workers.find({"$expr": {"$gt": ["$alive_until", NOW]}}).to_list(None)
        return found

    async def lead(self, name: str, holder: str, *, lease: timedelta) -> bool:
        """Take or renew the named leadership; false while another holds it."""
        mine = {"$eq": ["$holder", {"$literal": holder}]}
        take = {"$or": [mine, {"$lte": [{"$ifNull": ["$until", NOW]}, NOW]}]}
        fields = {
            "holder": {"$cond": [take, {"$literal": holder}, "$holder"]},
            "until": {"$cond": [take, after(lease), "$until"]},
        }
        stored = await self._mongo.collection(Collection.LEASES).find_one_and_update(
            {"_id": name}, [{"$set": fields}], upsert=True, return_document=ReturnDocument.AFTER
        )
        return bool(stored["holder"] == holder)

    async def resign(self, name: str, holder: str) -> None:
        """End the leadership so that another replica takes over at once."""
        await self._mongo.collection(Collection.LEASES).delete_one({"_id": name, "holder": holder})

    async def publish_catalogue(self, entries: Sequence[dict[str, Any]]) -> None:
        """Store what tasks there are, for the api and the page."""
        writes = [
            UpdateOne({"_id": e["_id"]}, [{"$set": {**_literal(e), "updated_at": NOW}}], upsert=True)
            for e in entries
        ]
        if writes:
            await self._mongo.collection(Collection.TASKS).bulk_write(writes)


def _literal(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: {"$literal": v} for k, v in entry.items() if k != "_id"}

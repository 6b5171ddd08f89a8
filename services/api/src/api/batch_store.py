"""Keeps batches in MongoDB; translates and decides nothing."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from api.batching import BatchRecord
from job_contracts.record import Collection
from service_chassis.mongo import Mongo


class MongoBatchStore:
    """Batches, and the counts of their jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @property
    def _batches(self) -> Any:
        return self._mongo.collection(Collection.BATCHES)

    async def begin(self, batch: dict[str, Any]) -> BatchRecord:
        """Store a batch and return it, or the one that has its Idempotency-Key."""
        while True:
            try:
                await self._batches.insert_one(batch)
            except DuplicateKeyError:
                key = {"owner": batch["owner"], "idempotency.key": batch["idempotency"]["key"]}
                found: BatchRecord | None = await self._batches.find_one(key)
                if found is not None:
                    return found
            else:
                return batch

    async def complete(self, batch_id: str, *, held: Mapping[str, str]) -> None:
        """Note that all jobs are stored, but those that give way to others, by their index."""
        fields = {"stored": True, **({"held": held} if held else {})}
        await self._batches.update_one({"_id": batch_id, "stored": {"$exists": False}}, {"$set": fields})

    async def batch(self, batch_id: str, *, owner: str) -> BatchRecord | None:
        """Return a batch."""
        found: BatchRecord | None = await self._batches.find_one({"_id": batch_id, "owner": owner})
        return found

    async def counts(self, batch_id: str) -> Mapping[str, int]:
        """Return how many jobs of a batch are in each state: it has a thousand at most."""
        walk: list[dict[str, Any]] = [
            {"$match": {"batch": batch_id}},
            {"$group": {"_id": "$state", "count": {"$sum": 1}}},
        ]
        found = await self._mongo.aggregate(Collection.JOBS, walk, hint="by_batch")
        return {row["_id"]: row["count"] for row in found}

"""Keeps batches in MongoDB; translates and decides nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.batching import BatchRecord, Stored
from job_contracts.record import Collection
from service_chassis.bulk import insert_new, update_groups
from service_chassis.mongo import Mongo

_BUDGET_MS = 2_000


class MongoBatchStore:
    """Batches, and the counts of their jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @property
    def _batches(self) -> Any:
        return self._mongo.collection(Collection.BATCHES)

    async def begin(self, batches: Sequence[dict[str, Any]]) -> list[BatchRecord]:
        """Store batches and return each, or the one that has its Idempotency-Key."""
        begun: dict[int, BatchRecord] = {}
        while len(begun) < len(batches):
            missing = [i for i in range(len(batches)) if i not in begun]
            refused = await insert_new(self._batches, [batches[i] for i in missing])
            begun |= {i: batches[i] for position, i in enumerate(missing) if position not in refused}
            for i in (missing[position] for position in refused):
                # It may have been removed since: then the key is free.
                if (found := await self._batches.find_one(_taken_by(batches[i]))) is not None:
                    begun[i] = found
        return [begun[i] for i in range(len(batches))]

    async def complete(self, batches: Sequence[Stored]) -> None:
        """Note that all jobs of these batches are stored, but those that give way to others."""
        await update_groups(
            self._batches,
            [
                (
                    {"_id": batch_id, "stored": {"$exists": False}},
                    {"$set": {"stored": True, **({"held": held} if held else {})}},
                )
                for batch_id, held in batches
            ],
        )

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
        found = await self._mongo.aggregate(Collection.JOBS, walk, hint="by_batch", maxTimeMS=_BUDGET_MS)
        return {row["_id"]: row["count"] for row in found}


def _taken_by(batch: BatchRecord) -> dict[str, Any]:
    """Return the filter of what has the key of a batch; one without a key has met itself, of an earlier try."""
    if "idempotency" not in batch:
        return {"_id": batch["_id"]}
    return {"owner": batch["owner"], "idempotency.key": batch["idempotency"]["key"]}

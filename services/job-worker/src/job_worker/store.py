"""Keeps the worker's side of job records in MongoDB; translates and decides nothing."""

from collections.abc import Collection as Items
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument, UpdateOne

from job_contracts.lifecycle import JobState, WaitReason
from job_contracts.personal import LOW
from job_contracts.record import GRACE, HISTORY, NOW, Collection, GuardedMove, after, due, expired
from job_contracts.views import Record
from job_worker.pauses import BRAKE, Pause
from service_chassis.bulk import read_by_id, update_groups
from service_chassis.mongo import Mongo

PROBE_CAP = timedelta(minutes=10)
"""Longest wait between two probes of a task that the brake has paused."""

_TO_JUDGE = (
    "owner",
    "task",
    "state",
    "reason",
    "priority",
    "version",
    "wake_at",
    "expire_by",
    "refused",
    "failures",
    "max_attempts",
    "cancel_requested",
    "worker",
    "traceparent",
)
"""Fields of a due job that tell what is to be done with it."""

_WITHOUT_HISTORY = dict.fromkeys(HISTORY, 0)


class MongoJobStore:
    """Reads and moves jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @property
    def _jobs(self) -> Any:
        return self._mongo.collection(Collection.JOBS)

    @property
    def _tasks(self) -> Any:
        return self._mongo.collection(Collection.TASKS)

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded moves in order, in one round trip; return how many records changed."""
        return await update_groups(self._jobs, moves, ordered=True)

    async def claimed_ids(self, ids: Sequence[str], token: str) -> set[str]:
        """Return which of these jobs the claim with this token has got."""
        found = await self._jobs.find({"_id": {"$in": list(ids)}, "claim": token}, {"_id": 1}).to_list(None)
        return {doc["_id"] for doc in found}

    async def records(self, ids: Items[str]) -> dict[str, Record]:
        """Return the records with these ids, without their history."""
        return await read_by_id(self._jobs, ids, fields=_WITHOUT_HISTORY)

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

    async def due(self, state: JobState, limit: int) -> list[Record]:
        """Return jobs of this state whose `wake_at` has come and that have not expired, the longest overdue first."""
        return await self._due({"state": str(state), "$nor": [expired()]}, limit)

    async def due_to_expire(self, limit: int) -> list[Record]:
        """Return jobs that nobody has started and that have expired, the longest overdue first."""
        unstarted = {"$in": [str(JobState.PENDING), str(JobState.WAITING)]}
        return await self._due({"state": unstarted, "$and": [expired()]}, limit)

    async def overdue(self, limit: int) -> list[Record]:
        """Return running jobs whose `wake_at` has come, the longest overdue first."""
        return await self._due({"state": str(JobState.RUNNING)}, limit)

    async def _due(self, which: dict[str, Any], limit: int) -> list[Record]:
        # Without payloads: what is published is read anew when it has been taken.
        found: list[Record] = (
            await self._jobs.find({**due(), **which}, _TO_JUDGE)
            .hint("wake_at")
            .sort("wake_at", 1)
            .limit(limit)
            .to_list(None)
        )
        return found

    async def paused_tasks(self) -> dict[str, Record]:
        """Return the pauses by task."""
        query = {"paused": {"$exists": True}}
        found = await self._tasks.find(query, {"paused": 1}).to_list(None)
        return {doc["_id"]: doc["paused"] for doc in found}

    async def pause(self, task: str, pause: dict[str, Any], *, probe_after: timedelta) -> bool:
        """Pause a task that is not paused; false if it was."""
        stored = {**_literal(pause), "at": NOW, "probe_at": after(probe_after), "probes": 0}
        done = await self._tasks.update_one(
            {"_id": task, "paused": {"$exists": False}}, [{"$set": {"paused": stored}}]
        )
        return bool(done.modified_count)

    async def resume(self, task: str, pause: Pause) -> bool:
        """Lift exactly this pause; false if it is gone."""
        query = {"_id": task, "paused.at": pause.at, "paused.by": pause.by}
        return bool((await self._tasks.update_one(query, {"$unset": {"paused": ""}})).modified_count)

    async def take_probe(self, task: str) -> bool:
        """Take the next probe of a task that the brake has paused, if it is time for one; the next comes later."""
        query = {
            "_id": task,
            "paused.by": BRAKE,
            "$expr": {"$lte": ["$paused.probe_at", NOW]},
        }
        longest = _milliseconds(PROBE_CAP)
        wait = {"$subtract": ["$paused.probe_at", "$paused.at"]}
        fields = {
            # The wait doubles: the next probe comes as late again as this one came after the pause.
            "paused.probe_at": {"$add": [NOW, {"$min": [wait, longest]}]},
            "paused.probes": {"$add": ["$paused.probes", 1]},
        }
        return bool((await self._tasks.update_one(query, [{"$set": fields}])).modified_count)

    async def parked_tasks(self, reason: str) -> list[str]:
        """Return the tasks that have jobs waiting for this reason: one step along the index for each."""
        tasks: list[str] = []
        while True:
            query: dict[str, Any] = {"reason": reason}
            if tasks:
                query["task"] = {"$gt": tasks[-1]}
            found = (
                await self._jobs.find(query, {"task": 1}).hint(reason).sort("task", 1).limit(1).to_list(None)
            )
            if not found:
                return tasks
            tasks.append(found[0]["task"])

    async def parked(self, reason: str, limit: int, *, tasks: Items[str] | None = None) -> list[Record]:
        """Return jobs that wait for this reason, the oldest first."""
        query: dict[str, Any] = {"reason": reason}
        if tasks is not None:
            query["task"] = {"$in": list(tasks)}
        return await self._parked(query, limit)

    async def served(self, versions: Mapping[str, Items[str] | None], limit: int) -> list[Record]:
        """Return jobs without a worker that one of these versions of their task has not refused, the oldest first."""
        able = [
            {"task": task, **({"refused": {"$not": {"$all": sorted(known)}}} if known else {})}
            for task, known in versions.items()
        ]
        return await self._parked({"reason": str(WaitReason.NO_WORKER), "$or": able}, limit)

    async def _parked(self, query: dict[str, Any], limit: int) -> list[Record]:
        found: list[Record] = (
            await self._jobs.find(query, _WITHOUT_HISTORY)
            .hint(query["reason"])
            .sort("_id", 1)
            .limit(limit)
            .to_list(None)
        )
        return found

    async def normal_queues(self, longer_than: timedelta) -> bool:
        """Whether a job of normal priority has been pending for longer than that."""
        older = {"$expr": {"$lt": ["$updated_at", {"$subtract": [NOW, _milliseconds(longer_than)]}]}}
        normal = {"state": str(JobState.PENDING), "priority": None}
        # Its first look has come, or Kafka has its message and nobody has taken it yet.
        fresh = {"wake_at": {"$lt": self._mongo.now() + GRACE - longer_than}, **normal}
        queued = {"publishes": {"$exists": True}, **normal, **older}
        for query, index in ((fresh, "wake_at"), (queued, "queued")):
            if await self._jobs.find(query, {"_id": 1}).hint(index).limit(1).to_list(None):
                return True
        return False

    async def low_in_queue(self, limit: int) -> int:
        """Return how many jobs of low priority are pending; counts no further than the limit."""
        # The state as well: records of an older version may have kept `publishes` beyond their end.
        query = {"publishes": {"$exists": True}, "priority": LOW, "state": str(JobState.PENDING)}
        return int(await self._jobs.count_documents(query, hint="queued", limit=limit))

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
        """Store what tasks there are, for the api and the page: each version beside the others."""
        writes = [
            UpdateOne(
                {"_id": e["_id"]},
                [
                    {
                        "$set": {
                            **_literal(e),
                            "updated_at": NOW,
                            f"versions.{e['digest']}": {
                                **_literal(e),
                                "first_seen": {"$ifNull": [f"$versions.{e['digest']}.first_seen", NOW]},
                                "seen_at": NOW,
                            },
                        }
                    }
                ],
                upsert=True,
            )
            for e in entries
        ]
        if writes:
            await self._tasks.bulk_write(writes)


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))


def _literal(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: {"$literal": v} for k, v in entry.items() if k != "_id"}

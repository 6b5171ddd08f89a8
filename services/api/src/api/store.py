"""Keeps the api's side of the job records in MongoDB; translates and decides nothing."""

import asyncio
from collections.abc import Collection as Items
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from pymongo.errors import BulkWriteError, DuplicateKeyError

from api.listing import (
    SCAN_BUDGET,
    JobFilters,
    ListQuery,
    fitting,
    leading_index,
    query_of,
    result_ids,
    trimmed,
)
from api.moving import KeyHeldError
from api.submission import Holders, Key
from job_contracts.lifecycle import LIVE, JobState
from job_contracts.record import HISTORY, INLINE_LIMIT, Collection, GuardedMove
from job_contracts.views import Record
from service_chassis.bulk import insert_new, only_taken_keys, update_groups
from service_chassis.mongo import Mongo

_HISTORY = dict.fromkeys(HISTORY, 0)
_BUDGET_MS = 2_000
_STANDING = {"state": 1, "redrives": 1, "unique_key": 1, "error": 1}


class Page(NamedTuple):
    """Some records of a list, and the id behind which to go on if there is more."""

    records: list[Record]
    last_id: str | None


class MongoJobStore:
    """Reads and writes jobs and their results."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @property
    def _jobs(self) -> Any:
        return self._mongo.collection(Collection.JOBS)

    @property
    def _results(self) -> Any:
        return self._mongo.collection(Collection.RESULTS)

    async def insert(self, records: Sequence[dict[str, Any]]) -> set[int]:
        """Store new jobs at once; return the positions of those that have a key another job holds."""
        return await insert_new(self._jobs, records)

    async def holders(self, *, idempotency: Iterable[Key], unique: Iterable[Key]) -> Holders:
        """Return the jobs that hold these keys."""
        asked, held = set(idempotency), set(unique)
        records = await self._jobs.find(holding(asked, held), _HISTORY).to_list(None)
        results = await self.results(records, INLINE_LIMIT)
        return Holders(
            {
                key: (r, results.get(r["_id"]))
                for r in records
                if "idempotency" in r and (key := (r["owner"], r["idempotency"]["key"])) in asked
            },
            {
                key: r
                for r in records
                if r["state"] in LIVE and (key := (r["owner"], r.get("unique_key"))) in held
            },
        )

    async def job(self, job_id: str, *, owner: str, history: bool = False) -> Record | None:
        """Return a job, with its attempts if wanted."""
        found: Record | None = await self._jobs.find_one(
            {"_id": job_id, "owner": owner}, None if history else _HISTORY
        )
        return found

    async def result(self, record: Record, *, limit: int | None = None) -> bytes | None:
        """Return the true result of a job as JSON, unless it is larger than `limit`."""
        if "result" in record:
            return str(record["result"]).encode()
        return (await self.results([record], limit)).get(record["_id"])

    async def results(self, records: Sequence[Record], limit: int | None) -> dict[str, bytes]:
        """Return results that lie outside their records, by job id; what is larger than `limit` stays where it is."""
        ids = result_ids(records)
        if not ids:
            return {}
        shown = "$result" if limit is None else {"$cond": [fitting("$result", limit), "$result", "$$REMOVE"]}
        found = await self._results.find({"_id": {"$in": ids}}, {"result": shown}).to_list(None)
        return {doc["_id"]["job"]: str(doc["result"]).encode() for doc in found if "result" in doc}

    async def jobs(self, ids: Items[str]) -> list[Record]:
        """Return those of these jobs that are there."""
        found: list[Record] = await self._jobs.find({"_id": {"$in": list(ids)}}, _HISTORY).to_list(None)
        return found

    async def versions(self, ids: Items[str]) -> dict[str, tuple[int, int]]:
        """Return version and revision of those of these jobs that are there."""
        found = await self._jobs.find({"_id": {"$in": list(ids)}}, {"version": 1, "revision": 1}).to_list(
            None
        )
        return {doc["_id"]: (doc["version"], doc["revision"]) for doc in found}

    async def page(self, query: ListQuery, *, limit: int, view_limit: int) -> Page:
        """Return the next records along the query's index."""
        walk: list[dict[str, Any]] = [{"$match": query.lead}, {"$sort": {"_id": query.direction}}]
        if query.rest:
            walk += [{"$limit": SCAN_BUDGET}, {"$match": query.rest}]
        records = await self._walk(query, [*walk, {"$limit": limit + 1}, *trimmed(view_limit)])
        if len(records) > limit:
            return Page(records[:limit], records[limit - 1]["_id"])
        return Page(records, await self._end_of_budget(query) if query.rest else None)

    async def stubs(self, query: ListQuery, *, limit: int) -> Page:
        """Return id and state of the next records along the query's index, the oldest first.

        Unlike a page it misses none that is there all the while, however many leave the index meanwhile.
        """
        end = await self._end_of_budget(query)
        match = {**query.lead, **query.rest}
        if end is not None:
            match["_id"] = {**match.get("_id", {}), "$lte": end}
        walk: list[dict[str, Any]] = [{"$match": match}, {"$sort": {"_id": 1}}, {"$limit": limit + 1}]
        records = await self._walk(query, [*walk, {"$project": {"state": 1}}])
        if len(records) > limit:
            return Page(records[:limit], records[limit - 1]["_id"])
        return Page(records, end)

    async def query(self, filters: JobFilters, after: str | None, *, owner: str) -> ListQuery:
        """Return the shortest walk that serves these filters, beginning behind the job `after`."""
        index = leading_index(filters)
        if index == "by_tag" and len(filters.tags) > 1:
            filters = replace(filters, tags=await self._rarest_first(owner, filters.tags))
        any_task = index == "by_task_and_state" and filters.task is None
        tasks = await self._tasks_of(owner) if any_task else ()
        return query_of(owner, filters, after, tasks=tasks)

    async def _rarest_first(self, owner: str, tags: Sequence[str]) -> list[str]:
        """Return the tags, those of fewest jobs first; none is counted further than a page may look."""

        async def jobs(tag: str) -> int:
            query = {"owner": owner, "tags": tag}
            found: int = await self._jobs.count_documents(
                query, hint="by_tag", limit=SCAN_BUDGET, maxTimeMS=_BUDGET_MS
            )
            return found

        counted = await asyncio.gather(*map(jobs, tags))
        return [tag for _, tag in sorted(zip(counted, tags, strict=True), key=lambda pair: pair[0])]

    async def _tasks_of(self, owner: str) -> list[str]:
        """Return the tasks of which there are jobs: one step along the index for each."""
        found: list[str] = await self._jobs.distinct("task", {"owner": owner}, maxTimeMS=_BUDGET_MS)
        return found

    async def _walk(self, query: ListQuery, stages: list[dict[str, Any]]) -> list[Record]:
        found: list[Record] = [
            *await self._mongo.aggregate(Collection.JOBS, stages, hint=query.along, maxTimeMS=_BUDGET_MS)
        ]
        return found

    async def _end_of_budget(self, query: ListQuery) -> str | None:
        boundary = await (
            self._jobs.find(query.lead, {"_id": 1})
            .sort("_id", query.direction)
            .skip(SCAN_BUDGET - 1)
            .limit(1)
            .hint(query.along)
            .max_time_ms(_BUDGET_MS)
            .to_list(None)
        )
        return boundary[0]["_id"] if boundary else None

    async def newest(self, *, owner: str) -> str | None:
        """Return the greatest id of an owner's jobs."""
        query = query_of(owner, JobFilters(), None)
        walk: list[dict[str, Any]] = [{"$match": query.lead}, {"$sort": {"_id": query.direction}}]
        found = await self._walk(query, [*walk, {"$limit": 1}, {"$project": {"_id": 1}}])
        return found[0]["_id"] if found else None

    async def standing(self, ids: Items[str], *, owner: str) -> list[Record]:
        """Return how those of these jobs stand that are there and this owner's: what a redrive depends on."""
        query = {"_id": {"$in": list(ids)}, "owner": owner}
        found: list[Record] = await self._jobs.find(query, _STANDING).to_list(None)
        return found

    async def move(self, move: GuardedMove) -> Record | None:
        """Make a move and return the record as it is stored after it; None if nothing matched."""
        try:
            found: Record | None = await self._jobs.find_one_and_update(
                move.filter, move.update, projection=_HISTORY, return_document=True
            )
        except DuplicateKeyError as error:
            raise KeyHeldError from error
        return found

    async def change(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates in one round trip; return how many jobs changed.

        One that would give a second live job its `unique_key` changes nothing; it must name one job alone.
        """
        try:
            return await update_groups(self._jobs, moves)
        except BulkWriteError as error:
            only_taken_keys(error)
            return int(error.details["nModified"])

    async def remove(self, job_id: str, *, owner: str, states: Sequence[str]) -> bool:
        """Remove a job in one of these states and all results of it; false if there is none."""
        gone = await self._jobs.delete_one({"_id": job_id, "owner": owner, "state": {"$in": list(states)}})
        if gone.deleted_count:
            await self._results.delete_many({"_id": {"$gte": {"job": job_id}, "$lt": {"job": job_id + "~"}}})
        return bool(gone.deleted_count)

    async def still_pending(self, low: datetime, high: datetime) -> list[tuple[str, int, datetime]]:
        """Return id, version and `wake_at` of pending jobs that wake between these moments."""
        # The partial index on wake_at knows only what still waits: cheap where nothing does.
        found = await (
            self._jobs.find(
                {"wake_at": {"$gte": low, "$lte": high}, "state": str(JobState.PENDING)},
                {"version": 1, "wake_at": 1},
            )
            .hint("wake_at")
            .max_time_ms(_BUDGET_MS)
            .to_list(None)
        )
        return [(doc["_id"], doc["version"], doc["wake_at"]) for doc in found]

    async def apply(self, moves: Sequence[GuardedMove]) -> None:
        """Apply guarded updates in one round trip."""
        await update_groups(self._jobs, moves)


def holding(idempotency: Iterable[Key], unique: Iterable[Key]) -> dict[str, Any]:
    """Return the filter of jobs that hold these keys; each branch has its index."""
    live = {"$in": sorted(map(str, LIVE))}
    either: list[dict[str, Any]] = [{"owner": owner, "idempotency.key": key} for owner, key in idempotency]
    either += [{"owner": owner, "unique_key": key, "state": live} for owner, key in unique]
    return {"$or": either}

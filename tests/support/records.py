"""The truth in MongoDB as a test reads it, and every change of state that ever happened to it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient

from tests.support.api import FINAL
from tests.support.waiting import until

Document = dict[str, Any]


def aware(moment: datetime) -> datetime:
    """A moment as MongoDB's driver gives it, with its zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """A record as one write left it: inserted, or moved."""

    version: int
    state: str


class Records:
    """The collections of one database."""

    def __init__(self, uri: str, database: str) -> None:
        self._client: AsyncMongoClient[Document] = AsyncMongoClient(uri, serverSelectionTimeoutMS=10_000)
        self.database = self._client[database]
        self._began: Timestamp | None = None

    async def __aenter__(self) -> Self:
        # Something must have been written since, or an idle server's time may lie before it.
        await self.database["marks"].insert_one({"what": "begin"})
        self._began = (await self._client.admin.command("hello"))["operationTime"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def job(self, job: str) -> Document:
        record = await self.database["jobs"].find_one({"_id": job})
        assert record is not None, f"no job {job}"
        return record

    async def jobs(self, ids: Collection[str]) -> dict[str, Document]:
        found = await self.database["jobs"].find({"_id": {"$in": list(ids)}}).to_list(None)
        return {record["_id"]: record for record in found}

    async def results(self, ids: Collection[str]) -> dict[str, list[int]]:
        """Versions under which results are stored, by job."""
        versions: dict[str, list[int]] = defaultdict(list)
        async for doc in self.database["results"].find({"_id.job": {"$in": list(ids)}}, {"_id": 1}):
            versions[doc["_id"]["job"]].append(doc["_id"]["version"])
        return versions

    async def dead_letters(self, **query: Any) -> list[Document]:
        return await self.database["dead_letters"].find(query).to_list(None)

    async def counted_ends(self) -> int:
        """How many ends of jobs the outcome workers have counted in minutes."""
        minutes = await self.database["minutes"].find({}, {"finished": 1, "failed": 1}).to_list(None)
        return sum(minute["finished"] + minute["failed"] for minute in minutes)

    async def end_leadership(self) -> None:
        """Let the dispatcher's lease have ended, whoever has it."""
        past = {"$set": {"until": datetime(2000, 1, 1, tzinfo=UTC)}}
        await self.database["leases"].update_many({}, past)

    async def forget(self, *collections: str) -> None:
        """Empty these collections: what the row before has left there is none of this one's business."""
        for name in collections:
            await self.database[name].delete_many({})

    async def all_final(self, ids: Collection[str], *, within: float) -> None:
        """Wait until every one of these jobs has ended."""
        wanted = list(ids)
        live = {"_id": {"$in": wanted}, "state": {"$nin": list(FINAL)}}

        async def look() -> bool:
            left = await self.database["jobs"].find(live, {"state": 1, "reason": 1, "worker": 1}).to_list(20)
            assert not left, f"still live: {left}"
            return True

        await until(look, within=within, what=f"{len(wanted)} jobs to end", every=0.2)

    async def steps(self, ids: Collection[str] | None = None) -> Mapping[str, list[Step]]:
        """Return every insert and move of these jobs, or of all, since this reader began, in order.

        Read from the oplog by a change stream, so nothing that happened is missed, whoever did it.
        """
        mark = await self.database["marks"].insert_one({"what": "end"})
        wanted, steps = None if ids is None else set(ids), defaultdict[str, list[Step]](list)
        pipeline = [{"$match": {"ns.coll": {"$in": ["jobs", "marks"]}}}]
        async with await self.database.watch(
            pipeline, start_at_operation_time=self._began, batch_size=1000
        ) as stream:
            async for change in stream:
                key = change["documentKey"]["_id"]
                if change["ns"]["coll"] == "marks":
                    if key == mark.inserted_id:
                        return steps
                elif wanted is None or key in wanted:
                    fields = (
                        change["fullDocument"]
                        if change["operationType"] == "insert"
                        else change.get("updateDescription", {}).get("updatedFields", {})
                    )
                    if "version" in fields or "state" in fields:
                        before = steps[key][-1] if steps[key] else Step(0, "")
                        steps[key].append(
                            Step(fields.get("version", before.version), fields.get("state", before.state))
                        )
        raise AssertionError("the change stream ended before its mark")

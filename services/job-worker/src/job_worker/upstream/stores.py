"""Keeps the state of upstreams, and answers, in MongoDB; translates and decides nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from job_contracts.record import NOW, Collection, after, literal
from job_worker.upstream.answers import Claim, Keeping, Kept
from job_worker.upstream.documents import Document
from job_worker.upstream.shared import Snapshot

_UNUSED: Final = timedelta(days=3)
"""State that nobody has changed for so long is forgotten: longer than any window of a quota."""

_FORGOTTEN: Final = timedelta(minutes=1)
"""A question without an answer is forgotten this long after its claim."""


class MongoStateStore:
    """The state of upstreams, one document each, in parts that have versions of their own."""

    def __init__(self, collection: Callable[[str], Any]) -> None:
        self._collection = collection

    @property
    def _upstreams(self) -> Any:
        return self._collection(Collection.UPSTREAMS)

    async def read(self, name: str, part: str) -> Snapshot:
        """Return a part of the document of an upstream; what was never written is empty, of version 0."""
        shown = {part: 1, "versions": 1, "now": NOW}
        while (found := await self._upstreams.find_one({"_id": name}, shown)) is None:
            fresh = [{"$set": {"expire_at": {"$ifNull": ["$expire_at", after(_UNUSED)]}}}]
            try:
                await self._upstreams.update_one({"_id": name}, fresh, upsert=True)
            except DuplicateKeyError:
                continue  # another worker was faster, and that is as good
        return Snapshot(found.get(part, {}), found.get("versions", {}).get(part, 0), found["now"])

    async def write(self, name: str, part: str, value: Document, *, version: int, task: str) -> bool:
        """Store the part if its version is still this one; false if it is not."""
        unchanged = {f"versions.{part}": version or {"$exists": False}}
        fields = {
            part: literal(value),
            f"versions.{part}": version + 1,
            "tasks": {"$setUnion": [{"$ifNull": ["$tasks", []]}, [literal(task)]]},
            "expire_at": after(_UNUSED),
        }
        done = await self._upstreams.update_one({"_id": name, **unchanged}, [{"$set": fields}])
        return bool(done.matched_count)


class MongoAnswerStore:
    """Answers by question; the times are the server's."""

    def __init__(self, collection: Callable[[str], Any]) -> None:
        self._collection = collection

    @property
    def _answers(self) -> Any:
        return self._collection(Collection.ANSWERS)

    async def look(self, key: str) -> Kept | None:
        """Return what is known of a question."""
        shown = {"body": 1, "fetched_at": 1, "claim": 1, "now": NOW}
        found = await self._answers.find_one({"_id": key}, shown)
        if found is None:
            return None
        claim = found.get("claim")
        return Kept(
            found.get("body"),
            found.get("fetched_at"),
            Claim(claim["job"], claim["owner"], claim["until"], claim.get("expected")) if claim else None,
            found["now"],
        )

    async def claim(self, key: str, *, job: str, owner: str, lease: timedelta, fresh: timedelta) -> bool:
        """Claim a question that has no fresh answer; false while another job has it."""
        oldest = {"$subtract": [NOW, round(fresh / timedelta(milliseconds=1))]}
        is_fresh = {"$gt": [{"$ifNull": ["$fetched_at", oldest]}, oldest]}
        waits = {"$gt": ["$claim.expected", None]}
        free = {
            "$or": [
                {"$lte": [{"$ifNull": ["$claim.until", NOW]}, NOW]},
                {"$eq": ["$claim.job", literal(job)]},
                {"$and": [waits, {"$ne": ["$claim.owner", literal(owner)]}]},
            ]
        }
        mine = {"job": literal(job), "owner": literal(owner), "until": after(lease)}
        fields = {
            "claim": {"$cond": [{"$and": [{"$not": [is_fresh]}, free]}, mine, "$claim"]},
            "expire_at": {"$max": ["$expire_at", after(lease + _FORGOTTEN)]},
        }
        try:
            # Condition and claim in one expression: an upsert's filter may not ask for the time.
            stored = await self._answers.find_one_and_update(
                {"_id": key}, [{"$set": fields}], {"claim": 1}, upsert=True, return_document=True
            )
        except DuplicateKeyError:
            return False  # two inserts met: the other one has it
        claim = stored.get("claim")
        return bool(claim and claim["job"] == job and "expected" not in claim)

    async def expect(self, key: str, *, job: str, wait: timedelta, lapse: timedelta) -> None:
        """Keep the claim while its job waits, and for `lapse` after that."""
        fields = {
            "claim.expected": after(wait),
            "claim.until": after(wait + lapse),
            "expire_at": {"$max": ["$expire_at", after(wait + lapse + _FORGOTTEN)]},
        }
        await self._answers.update_one({"_id": key, "claim.job": job}, [{"$set": fields}])

    async def rest(self, key: str, *, job: str, wait: timedelta) -> None:
        """Let nobody ask for so long: the claim is nobody's until then."""
        fields = {"claim.job": "", "claim.until": after(wait)}
        await self._answers.update_one({"_id": key, "claim.job": job}, [{"$set": fields}])

    async def release(self, key: str, *, job: str) -> None:
        """Give the claim up."""
        await self._answers.update_one({"_id": key, "claim.job": job}, [{"$unset": "claim"}])

    async def keep(self, key: str, body: str, *, job: str, keeping: Keeping) -> None:
        """Store an answer and give the claim up, unless it has become another job's."""
        mine = {"$eq": ["$claim.job", literal(job)]}
        fields = {
            "body": literal(body),
            "fetched_at": NOW,
            "expire_at": after(keeping.fresh + keeping.stale),
            "claim": {"$cond": [mine, "$$REMOVE", "$claim"]},
        }
        await self._answers.update_one({"_id": key}, [{"$set": fields}])

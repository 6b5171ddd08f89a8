"""Dead letters as people read them, and how often they were redriven."""

from collections.abc import Collection as Items
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from api.letter_views import DeadLetterPage, DeadLetterView, letter_view
from api.listing import read_cursor, write_cursor
from api.problems import FieldError, invalid
from job_contracts.record import Collection
from service_chassis.mongo import Mongo

LISTED_BYTES: Final = 4 * 1024
"""Bytes of an original that stand inside a listed letter."""

_BUDGET_MS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilters:
    """Which dead letters a caller wants; empty means all."""

    kind: str | None = None
    task: str | None = None
    error_type: str | None = None
    after: datetime | None = None
    before: datetime | None = None


class JobLetters(NamedTuple):
    """Ids of letters, each with that of its job, and where to go on if there is more."""

    letters: list[tuple[str, str]]
    cursor: str | None


class DeadLetters:
    """Reads what dlq-worker has kept, and counts redrives in it."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @property
    def _letters(self) -> Any:
        return self._mongo.collection(Collection.DEAD_LETTERS)

    async def one(self, letter_id: str) -> DeadLetterView | None:
        """Return one letter with its original bytes."""
        found = await self._letters.find_one({"_id": letter_id})
        return letter_view(found) if found else None

    async def page(self, filters: LetterFilters, *, limit: int, cursor: str | None) -> DeadLetterPage:
        """Return the newest letters that pass the filters, without originals that are long."""
        query, index = _query(filters, cursor)
        fitting = {"$lte": [{"$binarySize": "$raw"}, LISTED_BYTES]}
        found = await self._mongo.aggregate(
            Collection.DEAD_LETTERS,
            [
                {"$match": query},
                {"$sort": {"created_at": -1, "_id": -1}},
                {"$limit": limit + 1},
                {"$set": {"raw": {"$cond": [fitting, "$raw", None]}}},
            ],
            hint=index,
            maxTimeMS=_BUDGET_MS,
        )
        more = len(found) > limit
        return DeadLetterPage(
            [letter_view(doc) for doc in found[:limit]], _cursor_behind(found[limit - 1]) if more else None
        )

    async def of_jobs(
        self, filters: LetterFilters, *, owner: str, limit: int, cursor: str | None
    ) -> JobLetters:
        """Return the newest letters that pass the filters and speak of a job of this owner."""
        query, index = _query(filters, cursor)
        found = await (
            self._letters.find(
                {**query, "owner": owner, "job": {"$exists": True}}, {"job": 1, "created_at": 1}
            )
            .sort([("created_at", -1), ("_id", -1)])
            .limit(limit)
            .hint(index)
            .max_time_ms(_BUDGET_MS)
            .to_list(None)
        )
        letters = [(doc["_id"], doc["job"]) for doc in found]
        return JobLetters(letters, _cursor_behind(found[-1]) if len(found) == limit else None)

    async def redriven(self, letter_ids: Items[str]) -> None:
        """Count a redrive in each of these letters."""
        await self._letters.update_many({"_id": {"$in": list(letter_ids)}}, {"$inc": {"redriven": 1}})

    async def job_redriven(self, job_id: str) -> None:
        """Count a redrive in the newest letter of a job."""
        await self._letters.find_one_and_update(
            {"job": job_id}, {"$inc": {"redriven": 1}}, projection={"_id": 1}, sort=[("created_at", -1)]
        )


def _query(filters: LetterFilters, cursor: str | None) -> tuple[dict[str, Any], str]:
    wanted = {"kind": filters.kind, "task": filters.task, "error.type": filters.error_type}
    query: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    bounds: dict[str, Any] = {"$gte": filters.after} if filters.after else {}
    if filters.before:
        bounds["$lt"] = filters.before
    if cursor:
        moment, letter_id = _read_cursor(cursor)
        bounds["$lte"] = moment
        query["$or"] = [{"created_at": {"$lt": moment}}, {"_id": {"$lt": letter_id}}]
    if bounds:
        query["created_at"] = bounds
    given = (("by_error", filters.error_type), ("by_task", filters.task), ("by_kind", filters.kind))
    return query, next((index for index, value in given if value), "newest")


def _cursor_behind(doc: Mapping[str, Any]) -> str:
    return write_cursor(str(round(doc["created_at"].timestamp() * 1000)), doc["_id"])


def _read_cursor(text: str) -> tuple[datetime, str]:
    milliseconds, letter_id = read_cursor(text, 2)
    if not milliseconds.isdecimal() or len(milliseconds) > 14:
        raise invalid([FieldError("/cursor", "is none of ours: take it from next_cursor as it is")])
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC), letter_id

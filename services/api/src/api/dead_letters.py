"""Dead letters as people read them, and how often they were redriven."""

import re
from collections.abc import Collection as Items
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from api.cached import Cached
from api.legible import Legible
from api.letter_views import DeadLetterPage, DeadLetterView, LetterGroup, LetterGroups, letter_view
from api.listing import read_cursor, write_cursor
from api.problems import FieldError, invalid
from job_contracts.record import Collection
from service_chassis.mongo import Mongo

LISTED_BYTES: Final = 4 * 1024
"""Bytes of an original that stand inside a listed letter."""

COUNTED: Final = 100_000
"""The newest letters, of which groups are counted."""

GROUPS: Final = 200
"""The largest groups, which are shown: a type of error may be any text."""

_BUDGET_MS: Final = 2_000
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MILLISECONDS: Final = re.compile(r"-?[0-9]{1,15}")


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

    def __init__(self, mongo: Mongo, *, legible: Legible | None = None) -> None:
        self._mongo = mongo
        self._legible = legible or Legible()
        self._groups = Cached(self._count_groups)

    @property
    def _letters(self) -> Any:
        return self._mongo.collection(Collection.DEAD_LETTERS)

    async def one(self, letter_id: str) -> DeadLetterView | None:
        """Return one letter with its original bytes."""
        found = await self._letters.find_one({"_id": letter_id})
        return self._legible.one(found, letter_view, of="dead_letter") if found else None

    async def page(self, filters: LetterFilters, *, limit: int, cursor: str | None) -> DeadLetterPage:
        """Return the newest letters that pass the filters, without originals that are long."""
        query, index = letter_query(filters, cursor)
        # What is no bytes has no size, and to ask for it would be an error of the whole list.
        is_bytes = {"$eq": [{"$type": "$raw"}, "binData"]}
        fitting = {"$cond": [is_bytes, {"$lte": [{"$binarySize": "$raw"}, LISTED_BYTES]}, False]}
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
        letters = self._legible.shown(found[:limit], letter_view, of="dead_letters")
        return DeadLetterPage(letters, _cursor_behind(found[limit - 1]) if more else None)

    async def groups(self) -> LetterGroups:
        """Return how many letters there are by task, kind and type of error; all who ask share one count."""
        return await self._groups.get()

    async def _count_groups(self) -> LetterGroups:
        by = {"task": "$task", "kind": "$kind", "error_type": "$error.type"}
        span = {"first": {"$min": "$created_at"}, "last": {"$max": "$created_at"}}
        found = await self._mongo.aggregate(
            Collection.DEAD_LETTERS,
            [
                *group_walk(COUNTED),
                {"$group": {"_id": by, "count": {"$sum": 1}, **span}},
                {"$sort": {"count": -1, "last": -1, "_id": 1}},
            ],
            hint="groups",
            maxTimeMS=_BUDGET_MS,
        )
        counted = sum(doc["count"] for doc in found)
        groups = self._legible.shown(found[:GROUPS], _group_view, of="dead_letter_groups")
        return LetterGroups(groups, complete=counted < COUNTED and len(found) <= GROUPS)

    async def of_jobs(
        self, filters: LetterFilters, *, owner: str, limit: int, cursor: str | None
    ) -> JobLetters:
        """Return the newest letters that pass the filters and speak of a job of this owner."""
        query, index = letter_query(filters, cursor)
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


def group_walk(most: int) -> list[dict[str, Any]]:
    """Return the stages that bring what groups are made of, from the index alone and the newest first."""
    shown = {"_id": 0, "task": 1, "kind": 1, "error.type": 1, "created_at": 1}
    return [{"$sort": {"created_at": -1}}, {"$limit": most}, {"$project": shown}]


def letter_query(filters: LetterFilters, cursor: str | None) -> tuple[dict[str, Any], str]:
    """Return the filter of the letters behind the cursor, and the index along which they are read."""
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


def _group_view(doc: Mapping[str, Any]) -> LetterGroup:
    return LetterGroup(
        task=doc["_id"].get("task"),
        kind=doc["_id"]["kind"],
        error_type=doc["_id"].get("error_type"),
        count=doc["count"],
        first=doc["first"],
        last=doc["last"],
    )


def _cursor_behind(doc: Mapping[str, Any]) -> str | None:
    """Return where to go on behind a letter; None if it has no moment: all that have one stand before it."""
    created = doc.get("created_at")
    if isinstance(created, datetime):
        return write_cursor(str((created - _EPOCH) // timedelta(milliseconds=1)), str(doc["_id"]))
    return None


def _read_cursor(text: str) -> tuple[datetime, str]:
    milliseconds, letter_id = read_cursor(text, 2)
    try:
        if _MILLISECONDS.fullmatch(milliseconds):
            return _EPOCH + timedelta(milliseconds=int(milliseconds)), letter_id
    except OverflowError:
        pass
    raise invalid([FieldError("/cursor", "is none of ours: take it from next_cursor as it is")])

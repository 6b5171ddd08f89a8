"""Dead letters as people read them: what was refused, where it stood, byte for byte."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from api.listing import read_cursor, write_cursor
from api.problems import FieldError, invalid
from job_contracts.record import Collection
from service_chassis.mongo import Mongo

LISTED_BYTES: Final = 4 * 1024
"""Bytes of an original that stand inside a listed letter."""

_BUDGET_MS: Final = 2_000


class Place(Struct, frozen=True, kw_only=True):
    """Where in Kafka a message stood."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None


class LetterError(Struct, frozen=True):
    """Why it is here."""

    type: str
    message: str


class DeadLetterView(Struct, frozen=True, kw_only=True):
    """A dead letter as GET /dead-letters shows it."""

    id: str
    kind: str
    job: str | None
    task: str | None
    owner: str | None
    error: LetterError
    attempts: int | None
    origin: Place
    source: Place | None
    raw: str | None
    redriven: int
    created_at: datetime


class DeadLetterPage(Struct, frozen=True):
    """A page of dead letters."""

    dead_letters: list[DeadLetterView]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilters:
    """Which dead letters a caller wants; empty means all."""

    kind: str | None = None
    task: str | None = None
    error_type: str | None = None
    after: datetime | None = None


class DeadLetters:
    """Reads what dlq-worker has kept."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def one(self, letter_id: str) -> DeadLetterView | None:
        """Return one letter with its original bytes."""
        found = await self._mongo.collection(Collection.DEAD_LETTERS).find_one({"_id": letter_id})
        return _view(found) if found else None

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
            [_view(doc) for doc in found[:limit]], _cursor_behind(found[limit - 1]) if more else None
        )


def _query(filters: LetterFilters, cursor: str | None) -> tuple[dict[str, Any], str]:
    wanted = {"kind": filters.kind, "task": filters.task, "error.type": filters.error_type}
    query: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    bounds: dict[str, Any] = {"$gte": filters.after} if filters.after else {}
    if cursor:
        moment, letter_id = _read_cursor(cursor)
        bounds["$lte"] = moment
        query["$or"] = [{"created_at": {"$lt": moment}}, {"_id": {"$lt": letter_id}}]
    if bounds:
        query["created_at"] = bounds
    return query, "by_kind" if filters.kind else "by_task" if filters.task else "newest"


def _cursor_behind(doc: Mapping[str, Any]) -> str:
    return write_cursor(str(round(doc["created_at"].timestamp() * 1000)), doc["_id"])


def _read_cursor(text: str) -> tuple[datetime, str]:
    milliseconds, letter_id = read_cursor(text, 2)
    if not milliseconds.isdecimal() or len(milliseconds) > 14:
        raise invalid([FieldError("/cursor", "is none of ours: take it from next_cursor as it is")])
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC), letter_id


def _view(doc: Mapping[str, Any]) -> DeadLetterView:
    raw = doc.get("raw")
    return DeadLetterView(
        id=doc["_id"],
        kind=doc["kind"],
        job=doc.get("job"),
        task=doc.get("task"),
        owner=doc.get("owner"),
        error=LetterError(doc["error"]["type"], doc["error"]["message"]),
        attempts=doc.get("attempts"),
        origin=_place(doc["origin"]),
        source=_place(doc["source"]) if doc.get("source") else None,
        raw=base64.b64encode(raw).decode() if raw is not None else None,
        redriven=doc.get("redriven", 0),
        created_at=doc["created_at"],
    )


def _place(doc: Mapping[str, Any]) -> Place:
    return Place(
        topic=doc["topic"], partition=doc["partition"], offset=doc["offset"], timestamp=doc.get("timestamp")
    )

"""How a list of jobs is read: which index leads, what is left to filter, where the next page begins.

Every list walks one index in the order of `_id` (a UUIDv7: by time). Filters the index
does not cover are applied to at most `SCAN_BUDGET` records a page, so no list, however
odd, costs more than that; such a page may be short, even empty, and still have a cursor.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from api.problems import FieldError, invalid
from job_contracts.lifecycle import JobState
from job_contracts.messages import is_job_id

SCAN_BUDGET: Final = 2_000
"""Records looked at for one page."""

_MOST_WALKS: Final = 200
"""Walks that MongoDB merges in their order for one query; of more it would sort all that is found."""

LIST_LIMIT: Final = 4 * 1024
"""Bytes of a payload or result that stand inside a listed view."""

_DROPPED: Final = ["attempts", "logs", "idempotency", "claim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilters:
    """What a caller wants to see; empty means all."""

    states: Sequence[str] = ()
    task: str | None = None
    tags: Sequence[str] = ()
    batch: str | None = None
    unique_key: str | None = None
    error_type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    newest_first: bool = True


class ListQuery(NamedTuple):
    """One walk along one index: `lead` is covered by it, `rest` is not."""

    along: str
    lead: dict[str, Any]
    rest: dict[str, Any]
    direction: int


def leading_index(filters: JobFilters) -> str:
    """Return the index that leads."""
    if filters.unique_key is not None:
        return "by_unique_key"
    if filters.batch is not None:
        return "by_batch"
    if filters.tags:
        return "by_tag"
    if filters.error_type is not None:
        return "by_error"
    return "by_task_and_state" if filters.states or filters.task is not None else "by_owner"


def query_of(owner: str, filters: JobFilters, after: str | None, *, tasks: Sequence[str] = ()) -> ListQuery:
    """Return the walk that serves these filters, beginning behind the job `after`.

    Of several tags it walks along the first: the store knows which that should be. Jobs of some states and any
    task are one walk for each of the `tasks` there are, merged: an index by the state alone would cost every move.
    """
    index = leading_index(filters)
    rest: dict[str, Any] = {"state": {"$in": list(filters.states)}} if filters.states else {}
    lead: dict[str, Any] = {"owner": owner}
    if index == "by_unique_key":
        lead["unique_key"] = filters.unique_key
    elif index == "by_batch":
        lead = {"batch": filters.batch}
        rest["owner"] = owner
    elif index == "by_tag":
        lead["tags"] = filters.tags[0]
    elif index == "by_error":
        # The index holds failed jobs alone and is used only if the query says so.
        lead |= {"error.type": filters.error_type, "state": _failed_among(filters.states)}
        rest.clear()
    elif index == "by_task_and_state":
        # All states by name are an ordered walk for each of them; without them it would be a sort.
        states = list(filters.states or map(str, JobState))
        walked = list(tasks) if filters.task is None else [filters.task]
        if len(walked) * len(states) <= _MOST_WALKS:
            lead |= {"task": {"$in": walked}, "state": {"$in": states}}
            rest.clear()
        else:
            index = "by_owner"
    if len(filters.tags) > 1 or (filters.tags and index != "by_tag"):
        rest["tags"] = {"$all": list(filters.tags)}
    if filters.error_type is not None and index != "by_error":
        rest |= {"error.type": filters.error_type, "state": _failed_among(filters.states)}
    if filters.task is not None and index != "by_task_and_state":
        rest["task"] = filters.task
    if filters.batch is not None and index != "by_batch":
        rest["batch"] = filters.batch
    direction = -1 if filters.newest_first else 1
    if bounds := _bounds(filters, after, direction):
        lead["_id"] = bounds
    return ListQuery(index, lead, rest, direction)


def _failed_among(states: Sequence[str]) -> str:
    return "failed" if not states or "failed" in states else "-"


def _bounds(filters: JobFilters, after: str | None, direction: int) -> dict[str, str]:
    low = first_id_at(filters.created_after) if filters.created_after else None
    high = first_id_at(filters.created_before) if filters.created_before else None
    bounds = {"$gte": low, "$lt": high}
    if after is not None:
        # The cursor lies within the bounds of its own query; whoever mixes them gets both.
        if direction < 0:
            bounds["$lt"] = min(after, high) if high else after
        else:
            bounds |= {"$gt": after}
    return {operator: value for operator, value in bounds.items() if value is not None}


def first_id_at(moment: datetime) -> str:
    """Return the smallest UUIDv7 of a moment.

    >>> from datetime import UTC
    >>> first_id_at(datetime(2026, 1, 1, tzinfo=UTC))
    '019b76da-a800-7000-8000-000000000000'
    """
    milliseconds = f"{min(max(round(moment.timestamp() * 1000), 0), 2**48 - 1):012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-7000-8000-000000000000"


def fitting(field: str, limit: int) -> dict[str, Any]:
    """Return the condition that a text has at most so many bytes; whoever measures what is no text hears an error."""
    is_text = {"$eq": [{"$type": field}, "string"]}
    return {"$cond": [is_text, {"$lte": [{"$strLenBytes": field}, limit]}, False]}


def trimmed(limit: int) -> list[dict[str, Any]]:
    """Return the stages that leave out what a listed view does not show."""
    payload = {"$cond": [fitting("$payload", limit), "$payload", "null"]}
    return [{"$set": {"payload": payload}}, {"$unset": _DROPPED}]


_CURSOR: Final = re.compile(r"[A-Za-z0-9_-]{1,1024}")


def write_cursor(*parts: str) -> str:
    """Return an opaque cursor.

    >>> read_cursor(write_cursor("newest", "x"), 2)
    ['newest', 'x']
    """
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode().rstrip("=")


def read_cursor(text: str, parts: int) -> list[str]:
    """Return what stands in a cursor we wrote; `Problem` if we did not."""
    try:
        if _CURSOR.fullmatch(text):
            found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split("\n")
            if len(found) == parts:
                return found
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise invalid([FieldError("/cursor", "is none of ours: take it from next_cursor as it is")])


def read_job_cursor(text: str, order: str) -> str:
    """Return the id behind which the next page begins."""
    written, job_id = read_cursor(text, 2)
    if written != order:
        raise invalid([FieldError("/cursor", f"belongs to a list with order={written[:10]}")])
    if not is_job_id(job_id):
        raise invalid([FieldError("/cursor", "is none of ours: take it from next_cursor as it is")])
    return job_id


def result_ids(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the ids of the true results of those jobs that have one outside their record."""
    return [
        # The running record that produced it stood one version before the final one.
        {"job": record["_id"], "version": record["version"] - 1}
        for record in records
        if record.get("has_result") and isinstance(record.get("version"), int)
    ]

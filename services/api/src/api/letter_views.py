"""What GET /dead-letters shows of a letter."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct


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


class LetterGroup(Struct, frozen=True, kw_only=True):
    """Letters of one task, kind and type of error: how many, the oldest and the newest."""

    task: str | None
    kind: str
    error_type: str | None
    count: int
    first: datetime
    last: datetime


class LetterGroups(Struct, frozen=True):
    """All groups, the largest first; `complete` says whether every letter is in them."""

    groups: list[LetterGroup]
    complete: bool


def letter_view(doc: Mapping[str, Any]) -> DeadLetterView:
    """Return the view of a stored letter."""
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

"""What the api's use cases stand on, in memory."""

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import AutoReconnect

from api.catalogue import UnavailableView
from api.conflating import News
from api.moving import KeyHeldError
from api.submission import Holders, Key
from job_contracts.lifecycle import LIVE
from job_contracts.record import GuardedMove
from job_contracts.upstreams import UpstreamView

Record = Mapping[str, Any]

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, UTC)

SEARCH = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1},
        "count": {"type": "integer", "minimum": 1, "maximum": 30},
    },
    "required": ["query"],
    "additionalProperties": False,
}


def task_doc(name: str, schema: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Return a task as a worker stores it."""
    return {
        "_id": name,
        "description": f"Does {name}.",
        "payload_schema": json.dumps({"type": "object"} if schema is None else schema),
        "result_schema": "{}",
        "options": {"max_attempts": 5, "timeout": 60.0, **options},
    }


def record(job_id: str = "0198c0de-0000-7000-8000-000000000001", **fields: Any) -> dict[str, Any]:
    """Return a stored job."""
    return {
        "_id": job_id,
        "owner": "default",
        "task": "noop",
        "payload": "{}",
        "state": "pending",
        "version": 1,
        "revision": 0,
        "failures": 0,
        "max_attempts": 5,
        "timeout": 60.0,
        "redrives": 0,
        "created_at": NOW,
        "updated_at": NOW,
        **fields,
    }


class FakeTasks:
    """A catalogue that can grow."""

    def __init__(self, *docs: dict[str, Any]) -> None:
        self.docs = list(docs)
        self.reads = 0
        self.is_away = False
        self.troubles: list[tuple[str, UnavailableView]] = []

    async def tasks(self) -> Sequence[Record]:
        self.reads += 1
        if self.is_away:
            raise AutoReconnect("away")
        return self.docs

    async def upstreams(self) -> Sequence[UpstreamView]:
        return []

    async def unavailable(self) -> Sequence[tuple[str, UnavailableView]]:
        return self.troubles


class FakeStore:
    """Keeps jobs by their keys; can be slow, stuck or away."""

    def __init__(self) -> None:
        self.groups: list[list[dict[str, Any]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False
        self.looks = 0
        self.vanish = 0

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [record for group in self.groups for record in group]

    async def insert(self, records: Sequence[dict[str, Any]]) -> set[int]:
        await self.open.wait()
        if self.is_away:
            raise AutoReconnect("away")
        lost: set[int] = set()
        self.groups.append([])
        for i, new in enumerate(records):
            if any(_hold_alike(job, new) for job in self.jobs):
                lost.add(i)
            else:
                self.groups[-1].append(new)
        return lost

    async def holders(self, *, idempotency: Iterable[Key], unique: Iterable[Key]) -> Holders:
        self.looks += 1
        asked, held = set(idempotency), set(unique)
        if self.vanish:
            self.vanish -= 1
            return Holders({}, {})
        return Holders(
            {
                key: (job, None)
                for job in self.jobs
                if "idempotency" in job and (key := (job["owner"], job["idempotency"]["key"])) in asked
            },
            {
                key: job
                for job in self.jobs
                if job["state"] in LIVE and (key := (job["owner"], job.get("unique_key"))) in held
            },
        )

    async def versions(self, ids: Collection[str]) -> dict[str, tuple[int, int]]:
        return {job["_id"]: (job["version"], job["revision"]) for job in self.jobs if job["_id"] in ids}


def _hold_alike(job: Record, new: Record) -> bool:
    """Whether a unique index would refuse the new job."""
    if job["_id"] == new["_id"]:
        return True
    if job["owner"] != new["owner"]:
        return False
    keys = [r.get("idempotency", {}).get("key") for r in (job, new)]
    live = [r.get("unique_key") if r["state"] in LIVE else None for r in (job, new)]
    return any(first is not None and first == second for first, second in (keys, live))


class FakeAnnouncer:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.told: list[Record] = []

    def stored(self, records: Sequence[News]) -> None:
        self.told += [record for record, _ in records]


class ScriptedMoves:
    """Answers moves by a script of records or None; `current` is what a look finds."""

    def __init__(self, *answers: Record | None, current: Record | None = None) -> None:
        self.answers = list(answers)
        self.current = current
        self.moves: list[GuardedMove] = []
        self.removed = False
        self.key_held = False
        self.letters: list[str] = []

    async def move(self, move: GuardedMove) -> Record | None:
        self.moves.append(move)
        if self.key_held:
            raise KeyHeldError
        return self.answers.pop(0) if self.answers else None

    async def job(self, job_id: str, *, owner: str) -> Record | None:
        return self.current

    async def remove(self, job_id: str, *, owner: str, states: Sequence[str]) -> bool:
        return self.removed

    async def job_redriven(self, job_id: str) -> None:
        self.letters.append(job_id)

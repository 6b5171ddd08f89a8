"""Stand-ins at the worker's edges, for decisions alone; the real parts are driven in the fault tests."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Raw

from job_contracts.messages import ErrorInfo, JobFailed, JobRequested, JobSucceeded, MessageRejected
from job_contracts.record import GuardedMove
from service_chassis.publisher import PublishError, RefusedError

JOB = "0198c0de-0000-7000-8000-000000000000"


def requested(**changes: Any) -> JobRequested:
    """Return a request for the noop task."""
    fields: dict[str, Any] = {
        "job_id": JOB,
        "owner": "default",
        "version": 1,
        "attempt": 1,
        "task": "noop",
        "payload": Raw(b"{}"),
        "timeout": 5.0,
        "max_attempts": 3,
    }
    return JobRequested(**{**fields, **changes})


def stored(job_id: str = JOB, **changes: Any) -> dict[str, Any]:
    """Return a record as MongoDB would."""
    fields: dict[str, Any] = {
        "_id": job_id,
        "owner": "default",
        "task": "noop",
        "payload": "{}",
        "state": "pending",
        "version": 1,
        "revision": 0,
        "failures": 0,
        "max_attempts": 3,
        "timeout": 5.0,
        "redrives": 0,
        "wake_at": "then",
    }
    return {**fields, **changes}


class FakeMoving:
    """Remembers which moves were asked for."""

    def __init__(self, store: "FakeStore | None" = None) -> None:
        self.made: list[tuple[str, int, tuple[GuardedMove, ...]]] = []
        self.noted: list[GuardedMove] = []
        self.announced: list[str] = []
        self._store = store

    async def make(self, job_id: str, version: int, *moves: GuardedMove) -> bool:
        self.made.append((job_id, version, moves))
        return True

    async def until_answered(self, ask: Any, *args: Any) -> Any:
        return await ask(*args)

    async def note(self, update: GuardedMove) -> None:
        self.noted.append(update)

    async def announce(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.announced += [record["state"] for record in records]

    def targets(self) -> list[str]:
        """Return the state each first move leads to."""
        return [moves[0].update[0]["$set"]["state"] for _, _, moves in self.made]


class FakeOutcomes:
    """Remembers outcomes; can be held back, as Kafka does when it is away."""

    def __init__(self) -> None:
        self.published: list[JobSucceeded | JobFailed] = []
        self.open = asyncio.Event()
        self.open.set()

    def publish(self, outcome: JobSucceeded | JobFailed) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._publish(outcome))

    async def _publish(self, outcome: JobSucceeded | JobFailed) -> None:
        await self.open.wait()
        self.published.append(outcome)


class FakeStore:
    """Answers with what a test has put in."""

    def __init__(self) -> None:
        self.applied: list[GuardedMove] = []
        self.docs: dict[str, Mapping[str, Any]] = {}
        self.workers: list[dict[str, Any]] = []
        self.due_jobs: list[Mapping[str, Any]] = []
        self.lapsed: set[str] = set()
        self.matches: int | None = None
        self.claimed: set[str] = set()
        self.leading = True
        self.failures: list[Exception] = []
        self.paused: dict[str, dict[str, Any]] = {}
        self.waiting: list[dict[str, Any]] = []
        self.queues = False
        self.low_queued = 0
        self.messages: int | None = None
        self.probe_is_due = False

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        if self.failures:
            raise self.failures.pop(0)
        self.applied.extend(moves)
        return len(self.docs) if self.matches is None else self.matches

    async def claimed_ids(self, ids: Sequence[str], token: str) -> set[str]:
        return self.claimed

    async def records(self, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        return {i: self.docs[i] for i in ids if i in self.docs}

    async def live_workers(self) -> list[Any]:
        return self.workers

    async def due(self, state: str, limit: int) -> list[Any]:
        return [j for j in self.due_jobs if j["state"] == state and "expire_by" not in j]

    async def due_to_expire(self, limit: int) -> list[Any]:
        return [j for j in self.due_jobs if "expire_by" in j]

    async def overdue(self, limit: int) -> list[Any]:
        return [j for j in self.due_jobs if j["state"] == "running"][:limit]

    async def length(self) -> int | None:
        return self.messages

    async def lead(self, *_: Any, **__: Any) -> bool:
        return self.leading

    async def resign(self, *_: Any) -> None:
        self.leading = False

    async def lapsed_workers(self) -> set[str]:
        return self.lapsed

    async def paused_tasks(self) -> Mapping[str, Mapping[str, Any]]:
        return self.paused

    async def pause(self, task: str, pause: dict[str, Any], *, probe_after: timedelta) -> bool:
        if self.failures:
            raise self.failures.pop(0)
        is_new = task not in self.paused
        if is_new:
            self.paused[task] = {"at": datetime.now(UTC), **pause}
        return is_new

    async def resume(self, task: str, pause: Any) -> bool:
        return self.paused.pop(task, None) is not None

    async def parked_tasks(self, reason: str) -> list[str]:
        return sorted({job["task"] for job in self.waiting if job["reason"] == reason})

    async def parked(self, reason: str, limit: int, *, tasks: Collection[str] | None = None) -> list[Any]:
        found = [j for j in self.waiting if j["reason"] == reason and (tasks is None or j["task"] in tasks)]
        return found[:limit]

    async def served(self, versions: Mapping[str, Collection[str] | None], limit: int) -> list[Any]:
        waiting = [j for j in self.waiting if j["reason"] == "no_worker" and j["task"] in versions]
        return [j for j in waiting if not set(versions[j["task"]] or ["?"]) <= {*j.get("refused", ())}][
            :limit
        ]

    async def normal_queues(self, longer_than: timedelta) -> bool:
        return self.queues

    async def low_in_queue(self, limit: int) -> int:
        return self.low_queued

    async def take_probe(self, task: str) -> bool:
        return self.probe_is_due

    async def running_of(self, worker: str) -> list[Any]:
        return [d for d in self.docs.values() if d.get("worker") == worker]


class FakePublisher:
    """Remembers what was published where."""

    def __init__(self) -> None:
        self.requests: list[tuple[int | None, list[str]]] = []
        self.states: list[str] = []
        self.probes: list[str] = []
        self.letters: list[JobFailed] = []
        self.poison: list[MessageRejected] = []
        self.refuses: set[str] = set()
        self.away_for_letters = False

    async def changed(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.states += [r["state"] for r in records]

    async def requested(
        self, records: Sequence[Mapping[str, Any]], *, partition: int | None = None, probe: bool = False
    ) -> None:
        if self.refuses & {r["_id"] for r in records}:
            raise RefusedError("a message nobody takes")
        if records:
            self.requests.append((partition, [r["_id"] for r in records]))
            self.probes += [r["_id"] for r in records if probe]

    async def failed(self, letters: Sequence[JobFailed]) -> None:
        if self.away_for_letters:
            raise PublishError("Kafka is away")
        self.letters += letters

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        self.poison += letters


class FakeLease:
    """A lease that holds until a test says otherwise."""

    def __init__(self) -> None:
        self.worker_id = "w-1"
        self.free_elsewhere = 0

    async def held(self) -> str:
        return self.worker_id


class FakeBrake:
    """Remembers how attempts ended; holds what a test says."""

    def __init__(self) -> None:
        self.ends: list[str | None] = []
        self.held: str | None = None

    def succeeded(self, task: str, *, probe: bool = False) -> None:
        self.ends.append(None)

    def failed(self, task: str, error: ErrorInfo) -> None:
        self.ends.append(error.type)

    def holds(self, task: str, error_type: str) -> bool:
        return error_type == self.held


class FakePauses:
    """Tasks that are paused as a test says."""

    def __init__(self, *paused: str) -> None:
        self.paused = set(paused)

    async def known(self) -> None:
        return None

    def of(self, task: str) -> Any:
        return task if task in self.paused else None

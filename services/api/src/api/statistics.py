"""How the whole is doing: counts, the oldest that waits, lag, workers; asked for often, computed seldom."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from pymongo.errors import ExecutionTimeout

from api.cached import Cached
from api.catalogue import UPSTREAMS_SHOWN, PauseView, pause_of
from api.legible import Legible
from api.throughput import MinuteView, Throughput
from job_contracts.lifecycle import JobState, WaitReason
from job_contracts.record import NOW, Collection
from job_contracts.topics import OUTCOME_GROUPS, Group, Topic
from job_contracts.upstreams import UpstreamView
from service_chassis.mongo import Mongo
from service_chassis.offsets import KafkaOffsets, OffsetsError

_READERS: Final = {Topic.JOBS: Group.JOB_WORKER, **OUTCOME_GROUPS}
_STATES: Final = frozenset(map(str, JobState))
_PATIENCE: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(seconds=2)
"""Who asks waits for new figures so long: after that the last ones are told, or 503 if there are none."""

COUNTED_TO: Final = 100_000
"""Jobs of a task and a state that are counted where there are too many to count them all."""

_COUNT_MS: Final = 1_000
"""What counting all jobs may take: about a million of them."""

_TASKS: Final = 200
_WORKERS: Final = 1_000
"""Most tasks and workers that are told of."""


class WorkerView(Struct, frozen=True):
    """A live worker."""

    id: str
    host: str | None
    slots: int
    busy: int
    tasks: list[str]
    alive_until: datetime
    started_at: datetime | None


class Stats(Struct, frozen=True, kw_only=True):
    """What GET /stats answers."""

    jobs: dict[str, int]
    tasks: dict[str, dict[str, int]]
    counted_to: int | None = None
    """None: all jobs are counted. Else so many of a task and a state at most: that figure means "at least"."""
    oldest_pending_seconds: float | None
    finished_last_minute: int
    lag: dict[str, int] | None
    workers: list[WorkerView]
    pauses: dict[str, PauseView]
    no_worker: dict[str, int]
    upstreams: list[UpstreamView]
    streams: int
    minutes: list[MinuteView] | UnsetType = UNSET


class Stored(NamedTuple):
    """What of the figures stands in MongoDB."""

    tasks: dict[str, dict[str, int]]
    counted_to: int | None
    oldest_pending_seconds: float | None
    workers: list[WorkerView]
    pauses: dict[str, PauseView]
    no_worker: dict[str, int]
    upstreams: list[UpstreamView]


class Statistics:
    """Answers GET /stats."""

    def __init__(
        self,
        *,
        owner: str,
        mongo: Mongo,
        offsets: KafkaOffsets,
        streams: Callable[[], int],
        upstreams: Callable[[], Awaitable[list[UpstreamView]]],
        legible: Legible | None = None,
    ) -> None:
        self._legible = legible or Legible()
        self._owner = owner
        self._mongo = mongo
        self._offsets = offsets
        self._throughput = Throughput(owner=owner, mongo=mongo, now=mongo.now, legible=self._legible)
        self._streams, self._upstreams = streams, upstreams
        self._stored = Cached(self._read_stored)
        self._lag = Cached(self._read_lag)

    async def stats(self, *, minutes: int | None = None) -> Stats:
        """Return the figures, at most a few seconds old, and if wanted those of the last minutes.

        `lag` is None while Kafka is away.
        """
        stored = await self._stored.get(within=_LONGEST)
        totals = dict.fromkeys(map(str, JobState), 0)
        for states in stored.tasks.values():
            for state, count in states.items():
                totals[state] += count
        return Stats(
            jobs=totals,
            tasks=stored.tasks,
            counted_to=stored.counted_to,
            oldest_pending_seconds=stored.oldest_pending_seconds,
            finished_last_minute=await self._throughput.last_minute(),
            lag=await self._lag_in_time(),
            workers=stored.workers,
            pauses=stored.pauses,
            no_worker=stored.no_worker,
            upstreams=stored.upstreams,
            streams=self._streams(),
            minutes=UNSET if minutes is None else await self._throughput.minutes(minutes),
        )

    async def _lag_in_time(self) -> dict[str, int] | None:
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                return await self._lag.get()
        except (OffsetsError, TimeoutError):
            return None

    async def _read_lag(self) -> dict[str, int]:
        lag = {}
        for topic, group in _READERS.items():
            ends = await self._offsets.ends(topic)
            done = await self._offsets.committed(group)
            lag[str(topic)] = sum(max(0, end - done.get(tp, 0)) for tp, end in ends.items())
        return lag

    async def _read_stored(self) -> Stored:
        (tasks, counted_to), workers, paused, unserved, upstreams = await asyncio.gather(
            self._count(),
            self._mongo.collection(Collection.WORKERS)
            .find({"$expr": {"$gt": ["$alive_until", NOW]}})
            .limit(_WORKERS)
            .max_time_ms(_COUNT_MS)
            .to_list(None),
            self._mongo.collection(Collection.TASKS)
            .find({"paused": {"$exists": True}}, {"paused": 1})
            .sort("_id", 1)
            .limit(_TASKS)
            .max_time_ms(_COUNT_MS)
            .to_list(None),
            self._mongo.aggregate(
                Collection.JOBS,
                [
                    {"$match": {"reason": str(WaitReason.NO_WORKER), "owner": self._owner}},
                    {"$limit": COUNTED_TO},
                    {"$group": {"_id": "$task", "count": {"$sum": 1}}},
                ],
                hint="no_worker",  # as well
                maxTimeMS=_COUNT_MS,
            ),
            self._upstreams(),
        )
        pending = [task for task, states in tasks.items() if states[JobState.PENDING]]
        return Stored(
            tasks=tasks,
            counted_to=counted_to,
            oldest_pending_seconds=await self._oldest_pending(pending) if pending else None,
            workers=self._legible.shown(workers, _worker, of="workers"),
            pauses=dict(self._legible.shown(paused, _pause, of="pauses")),
            no_worker={
                str(row["_id"]): row["count"] for row in sorted(unserved, key=lambda r: str(r["_id"]))
            },
            upstreams=upstreams[:UPSTREAMS_SHOWN],
        )

    async def _count(self) -> tuple[dict[str, dict[str, int]], int | None]:
        """Count the jobs by task and state: all of them, or if they are too many up to a bound."""
        tasks: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, JobState), 0))
        try:
            for row in await self._count_all():
                # A record without a task, or in a state that there is not, counts nowhere.
                task, state = row["_id"].get("task"), row["_id"].get("state")
                if isinstance(task, str) and state in _STATES:
                    tasks[task][state] = row["count"]
        except ExecutionTimeout:
            names = await self._mongo.collection(Collection.JOBS).distinct(
                "task", {"owner": self._owner}, maxTimeMS=_COUNT_MS
            )
            for name in sorted(names)[:_TASKS]:
                counted = await asyncio.gather(*(self._count_some(name, str(state)) for state in JobState))
                tasks[name] = dict(zip(map(str, JobState), counted, strict=True))
            return dict(tasks), COUNTED_TO
        return dict(tasks), None

    async def _count_all(self) -> list[dict[str, Any]]:
        return await self._mongo.aggregate(
            Collection.JOBS,
            [
                {"$match": {"owner": self._owner}},
                {"$group": {"_id": {"task": "$task", "state": "$state"}, "count": {"$sum": 1}}},
            ],
            hint="by_task_and_state",  # it holds all that is counted
            maxTimeMS=_COUNT_MS,
        )

    async def _count_some(self, task: str, state: str) -> int:
        query = {"owner": self._owner, "task": task, "state": state}
        found: int = await self._mongo.collection(Collection.JOBS).count_documents(
            query, hint="by_task_and_state", limit=COUNTED_TO, maxTimeMS=_COUNT_MS
        )
        return found

    async def _oldest_pending(self, tasks: list[str]) -> float | None:
        query = {"owner": self._owner, "task": {"$in": tasks}, "state": str(JobState.PENDING)}
        oldest = await (
            self._mongo.collection(Collection.JOBS)
            .find(query, {"updated_at": 1})
            .hint("by_task_and_state")
            .sort("_id", 1)
            .limit(1)
            .max_time_ms(_COUNT_MS)
            .to_list(None)
        )
        since = oldest[0].get("updated_at") if oldest else None
        if not isinstance(since, datetime):
            return None  # there is none, or what is stored of it is no moment
        waited: timedelta = self._mongo.now() - since
        return round(max(waited.total_seconds(), 0), 3)


def _pause(doc: Mapping[str, Any]) -> tuple[str, PauseView]:
    return doc["_id"], pause_of(doc["paused"])


def _worker(doc: Mapping[str, Any]) -> WorkerView:
    return WorkerView(
        id=doc["_id"],
        host=doc.get("host"),
        slots=doc["slots"],
        busy=doc["busy"],
        tasks=doc.get("tasks", []),
        alive_until=doc["alive_until"],
        started_at=doc.get("started_at"),
    )

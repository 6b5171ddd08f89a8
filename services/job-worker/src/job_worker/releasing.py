"""Out of waiting: due jobs become pending, or wait for something else; pending ones are published where they fit."""

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from job_contracts.keeping import far_out, republish
from job_contracts.lifecycle import MOVES, JobState
from job_contracts.record import GuardedMove, await_worker, defer, park, release
from job_contracts.views import Record
from service_chassis.metrics import Metrics

Builder = Callable[[Sequence[str], int], GuardedMove]

_BUILDERS: Final[Mapping[str, Builder]] = {
    "release": release,
    "park": park,
    "await_worker": await_worker,
    "defer": defer,
}


def fit(workers: Sequence[Record], job: Record) -> list[Record]:
    """Return those of the live workers that run a job's task, in a version that has not refused the payload."""
    return [worker for worker in workers if _takes(worker, job)]


def versions_of(workers: Sequence[Record], task: str) -> set[str] | None:
    """Return the versions of a task that live workers have; None if one of them does not say."""
    named = [_digest(worker, task) for worker in workers if task in worker["tasks"]]
    known = {digest for digest in named if digest is not None}
    return known if len(known) == len(set(named)) else None


class ReleaseStore(Protocol):
    """What releasing asks of storage."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded moves."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is stored."""

    async def live_workers(self) -> list[Record]:
        """Return the workers whose lease holds."""


class ReleasePublisher(Protocol):
    """What releasing publishes."""

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce stored states."""

    async def requested(
        self, records: Sequence[Record], *, partition: int | None = None, probe: bool = False
    ) -> None:
        """Ask workers to look at pending jobs."""


class Releasing:
    """Moves the dispatcher makes with jobs that nobody runs."""

    def __init__(self, *, store: ReleaseStore, publisher: ReleasePublisher, metrics: Metrics) -> None:
        self._store, self._publisher = store, publisher
        self.counted = metrics.counter(
            "dispatcher_jobs_total", "Jobs the dispatcher has looked after", "what"
        )

    async def release(
        self, waiting: Sequence[Record], *, what: str = "released", probe: bool = False
    ) -> None:
        """Make these waiting jobs pending and publish them."""
        stored = await self._move("release", waiting, what)
        await self._request(stored, probe=probe)

    async def park(self, waiting: Sequence[Record]) -> None:
        """Let these due jobs wait until their task is not paused any more."""
        await self._move("park", waiting, "parked")

    async def await_worker(self, unfit: Sequence[Record]) -> None:
        """Let these jobs wait until a live worker runs their task."""
        await self._move("await_worker", unfit, "no_worker")

    async def defer(self, waiting: Sequence[Record]) -> None:
        """Let these due jobs of low priority wait for their turn."""
        await self._move("defer", waiting, "deferred")

    async def republish(self, pending: Sequence[Record]) -> None:
        """Publish overdue pending jobs again."""
        if not pending:
            return
        await self._store.apply([republish(ids, version) for version, ids in _by_version(pending).items()])
        stored = await self._stored(pending, JobState.PENDING, moved=0)
        await self._request(stored)
        self.counted.labels("republished").inc(len(stored))

    async def _move(self, name: str, jobs: Sequence[Record], what: str) -> list[Record]:
        if not jobs:
            return []
        await self._store.apply([_BUILDERS[name](ids, version) for version, ids in _by_version(jobs).items()])
        stored = await self._stored(jobs, MOVES[name].target, moved=1)
        await self._publisher.changed(stored)
        self.counted.labels(what).inc(len(stored))
        return stored

    async def _stored(self, seen: Sequence[Record], state: JobState, *, moved: int) -> list[Record]:
        """Return those of the jobs that stand where the update has left them."""
        version = {r["_id"]: r["version"] + moved for r in seen}
        stored = await self._store.records(version)
        return [r for i, r in stored.items() if r["state"] == state and r["version"] == version[i]]

    async def _request(self, pending: Sequence[Record], *, probe: bool = False) -> None:
        """Publish each job where a fit worker reads it, then set its next look far out."""
        if not pending:
            return
        workers = await self._store.live_workers()
        targets: dict[int | None, list[Record]] = defaultdict(list)
        unfit: list[Record] = []
        room = {w["_id"]: w["slots"] - w["busy"] for w in workers}
        for record in pending:
            able = fit(workers, record)
            if workers and not able:
                unfit.append(record)
                continue
            free = [w for w in able if w["partitions"] and room[w["_id"]] > 0]
            if len(able) == len(workers) and len(free) != 1:
                # Any worker will do: leave it to the partitions, unless only one has room.
                targets[None].append(record)
                continue
            chosen = max(free or [w for w in able if w["partitions"]] or able, key=lambda w: room[w["_id"]])
            room[chosen["_id"]] -= 1
            partition = random.choice(chosen["partitions"]) if chosen["partitions"] else None
            targets[partition].append(record)
        await self.await_worker(unfit)
        for partition, records in targets.items():
            await self._publisher.requested(records, partition=partition, probe=probe)
        sent = [r for records in targets.values() for r in records]
        if sent:
            await self._store.apply(_far_out(sent))


def _takes(worker: Record, job: Record) -> bool:
    task = job.get("task")
    return task in worker["tasks"] and _digest(worker, str(task)) not in job.get("refused", ())


def _digest(worker: Record, task: str) -> str | None:
    """The version of a task that a worker has; None for a worker that does not say."""
    versions = (version.rpartition("@") for version in worker.get("versions", ()))
    return next((digest for name, _, digest in versions if name == task), None)


def _by_version(records: Sequence[Record]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    for record in records:
        groups[record["version"]].append(record["_id"])
    return groups


def _far_out(records: Sequence[Record]) -> list[GuardedMove]:
    groups: dict[tuple[int, Any], list[str]] = defaultdict(list)
    for record in records:
        groups[record["version"], record["wake_at"]].append(record["_id"])
    return [far_out(ids, version, wake_at=wake_at) for (version, wake_at), ids in groups.items()]

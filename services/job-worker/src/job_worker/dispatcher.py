"""The one clock: wakes what is due, publishes what never reached Kafka, reaps what the dead left.

One replica is active at a time by a lease document. Two at once, for the moment of a
take-over, are harmless: every update is guarded.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, Protocol
from uuid import uuid4

from job_contracts.keeping import far_out, republish
from job_contracts.lifecycle import JobState
from job_contracts.record import GuardedMove, release
from job_contracts.views import Record
from job_worker.reaping import Reaping
from job_worker.settings import DispatcherSettings
from service_chassis.metrics import Metrics
from service_chassis.mongo import is_outage
from service_chassis.publisher import PublishError

log = logging.getLogger(__name__)


LEADERSHIP = "dispatcher:0"


class DispatchStore(Protocol):
    """What the dispatcher asks of storage."""

    async def lead(self, name: str, holder: str, *, lease: timedelta) -> bool:
        """Take or renew the leadership."""

    async def resign(self, name: str, holder: str) -> None:
        """Give it up."""

    async def due(self, limit: int) -> list[Record]:
        """Return jobs whose `wake_at` has come."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded moves."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is stored."""

    async def live_workers(self) -> list[Record]:
        """Return the workers whose lease holds."""


class DispatchPublisher(Protocol):
    """What the dispatcher publishes."""

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce stored states."""

    async def requested(self, records: Sequence[Record], *, partition: int | None = None) -> None:
        """Ask workers to look at pending jobs."""


class Dispatcher:
    """Looks every tick at the jobs whose time has come."""

    def __init__(
        self,
        *,
        store: DispatchStore,
        publisher: DispatchPublisher,
        reaping: Reaping,
        settings: DispatcherSettings,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._store, self._publisher, self._reaping = store, publisher, reaping
        self._settings, self._clock = settings, clock
        self._id = f"d-{uuid4()}"
        self._task: asyncio.Task[None] | None = None
        self._leading = False
        self._woken = metrics.counter("dispatcher_jobs_total", "Jobs the dispatcher has looked after", "what")
        self._leads = metrics.gauge("dispatcher_leading", "1 while this replica is the active dispatcher")

    async def __aenter__(self) -> "Dispatcher":
        self._task = asyncio.create_task(self._run(), name="dispatcher")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
        if self._leading:
            try:
                async with asyncio.timeout(1):
                    await self._store.resign(LEADERSHIP, self._id)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("dispatcher.not_resigned", extra={"reason": repr(error)[:200]})

    async def _run(self) -> None:
        while True:
            full = False
            try:
                full = await self.tick()
            except PublishError as error:
                log.warning("dispatcher.kafka_away", extra={"reason": str(error)})
            except Exception as error:
                self._reaping.lost_contact()
                if is_outage(error):
                    log.warning("dispatcher.mongo_away", extra={"reason": repr(error)[:200]})
                else:
                    log.exception("dispatcher.failed")
            if not full:
                await asyncio.sleep(self._settings.tick.total_seconds())

    async def tick(self) -> bool:
        """Look once; true if there was more than one batch of work."""
        leading = await self._store.lead(LEADERSHIP, self._id, lease=self._settings.lease)
        if leading != self._leading:
            log.info("dispatcher.leads" if leading else "dispatcher.follows")
            self._leading = leading
            self._leads.set(int(leading))
            self._reaping.lost_contact()
        if not leading:
            return False
        due = await self._store.due(self._settings.batch)
        self._reaping.in_contact(self._clock())
        by_state: dict[str, list[Record]] = defaultdict(list)
        for record in due:
            by_state[record["state"]].append(record)
        await self._release(by_state[JobState.WAITING])
        await self._republish(by_state[JobState.PENDING])
        await self._reaping.reap_overdue(by_state[JobState.RUNNING])
        await self._reaping.reap_dead_workers()
        return len(due) >= self._settings.batch

    async def _release(self, waiting: Sequence[Record]) -> None:
        if not waiting:
            return
        await self._store.apply([release(ids, version) for version, ids in _by_version(waiting).items()])
        stored = await self._stored(waiting, moved=1)
        await self._publisher.changed(stored)
        await self._request(stored)
        self._woken.labels("released").inc(len(stored))

    async def _republish(self, pending: Sequence[Record]) -> None:
        if not pending:
            return
        await self._store.apply([republish(ids, version) for version, ids in _by_version(pending).items()])
        stored = await self._stored(pending, moved=0)
        await self._request(stored)
        self._woken.labels("republished").inc(len(stored))

    async def _stored(self, seen: Sequence[Record], *, moved: int) -> list[Record]:
        """Return those of the jobs that are pending as the update left them."""
        version = {r["_id"]: r["version"] + moved for r in seen}
        stored = await self._store.records(version)
        return [r for i, r in stored.items() if r["state"] == JobState.PENDING and r["version"] == version[i]]

    async def _request(self, pending: Sequence[Record]) -> None:
        """Publish each job where a fit worker reads it, then set its next look far out."""
        workers = await self._store.live_workers()
        targets: dict[int | None, list[Record]] = defaultdict(list)
        room = {w["_id"]: w["slots"] - w["busy"] for w in workers}
        for record in pending:
            fit = [w for w in workers if record["task"] in w["tasks"]]
            if workers and not fit:
                # Nobody alive knows this task: its `wake_at` asks again until somebody does.
                self._woken.labels("unfit").inc()
                continue
            free = [w for w in fit if w["partitions"] and room[w["_id"]] > 0]
            if len(fit) == len(workers) and len(free) != 1:
                # Any worker will do: leave it to the partitions, unless only one has room.
                targets[None].append(record)
                continue
            chosen = max(free or [w for w in fit if w["partitions"]] or fit, key=lambda w: room[w["_id"]])
            room[chosen["_id"]] -= 1
            partition = random.choice(chosen["partitions"]) if chosen["partitions"] else None
            targets[partition].append(record)
        for partition, records in targets.items():
            await self._publisher.requested(records, partition=partition)
        sent = [r for records in targets.values() for r in records]
        if sent:
            await self._store.apply(_far_out(sent))


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

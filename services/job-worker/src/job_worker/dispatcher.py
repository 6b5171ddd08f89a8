"""The one clock: wakes what is due, publishes what never reached Kafka, ends what expired, reaps what the dead left.

One replica is active at a time by a lease document. Two at once, for the moment of a
take-over, are harmless: every update is guarded.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from job_contracts.lifecycle import JobState, WaitReason
from job_contracts.personal import LOW
from job_contracts.views import Record
from job_worker.expiring import Expiring, is_expired
from job_worker.reaping import Reaping
from job_worker.releasing import Releasing
from job_worker.settings import DispatcherSettings
from job_worker.turns import Turns
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

    async def paused_tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the pauses by task."""


class Dispatcher:
    """Looks every tick at the jobs whose time has come."""

    def __init__(
        self,
        *,
        store: DispatchStore,
        releasing: Releasing,
        turns: Turns,
        expiring: Expiring,
        reaping: Reaping,
        settings: DispatcherSettings,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._store, self._releasing, self._turns = store, releasing, turns
        self._expiring, self._reaping = expiring, reaping
        self._settings, self._clock, self._now = settings, clock, now
        self._id = f"d-{uuid4()}"
        self._task: asyncio.Task[None] | None = None
        self._leading = False
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

    @property
    def leads(self) -> bool:
        """Whether this replica was the active one when it last asked."""
        return self._leading

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
        # A follower's question is contact as well: who takes over has seen whether MongoDB was there.
        self._reaping.in_contact(self._clock())
        if leading != self._leading:
            log.info("dispatcher.leads" if leading else "dispatcher.follows")
            self._leading = leading
            self._leads.set(int(leading))
            self._reaping.begin_anew()
        if not leading:
            return False
        due = await self._store.due(self._settings.batch)
        self._reaping.in_contact(self._clock())
        paused = await self._store.paused_tasks()
        whats_next = _Sorted(due, paused, self._now())
        await self._expiring.expire(whats_next.expired)
        await self._releasing.park(whats_next.paused)
        await self._releasing.defer(whats_next.low)
        await self._releasing.release(whats_next.waiting)
        await self._releasing.republish(whats_next.pending)
        more = await self._turns.go_on(paused)
        await self._reaping.reap_overdue(whats_next.running)
        await self._reaping.reap_dead_workers()
        return more or len(due) >= self._settings.batch


class _Sorted:
    """Due jobs by what is to be done with them."""

    def __init__(self, due: Sequence[Record], paused: Collection[str], now: datetime) -> None:
        self.expired: list[Record] = []
        self.paused: list[Record] = []
        self.low: list[Record] = []
        self.waiting: list[Record] = []
        self.pending: list[Record] = []
        self.running: list[Record] = []
        for job in due:
            self._list_for(job, paused, now).append(job)

    def _list_for(self, job: Record, paused: Collection[str], now: datetime) -> list[Record]:
        if job["state"] == JobState.RUNNING:
            return self.running
        if is_expired(job, now):
            return self.expired
        if job["state"] == JobState.PENDING:
            return self.pending
        if job["task"] in paused:
            return self.paused
        yields = job.get("priority") == LOW and job.get("reason") == WaitReason.SCHEDULED
        return self.low if yields else self.waiting

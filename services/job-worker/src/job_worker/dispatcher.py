"""The one clock: wakes what is due, publishes what never reached Kafka, ends what expired, reaps what the dead left.

One replica is active at a time by a lease document. Two at once, for the moment of a
take-over, are harmless: every update is guarded.

Each step looks in a loop of its own, so one that fails, hangs or has much to do never stops the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, Protocol
from uuid import uuid4

from job_worker.reaping import Reaping
from job_worker.settings import DispatcherSettings
from service_chassis.metrics import Metrics
from service_chassis.mongo import is_outage
from service_chassis.publisher import PublishError

log = logging.getLogger(__name__)


LEADERSHIP = "dispatcher:0"

STEP_LIMIT: Final = timedelta(seconds=30)
"""A step that takes longer hangs: it is ended and begun anew, which is as safe as a crash."""

Step = Callable[[], Awaitable[bool]]
"""Looks once; true if there was more than one batch of work."""


class LeadStore(Protocol):
    """Where the leadership stands."""

    async def lead(self, name: str, holder: str, *, lease: timedelta) -> bool:
        """Take or renew the leadership."""

    async def resign(self, name: str, holder: str) -> None:
        """Give it up."""


class Dispatcher:
    """Looks every tick at the jobs whose time has come, step by step."""

    def __init__(
        self,
        *,
        store: LeadStore,
        steps: Mapping[str, Step],
        reaping: Reaping,
        settings: DispatcherSettings,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._store, self._steps, self._reaping = store, steps, reaping
        self._settings, self._clock = settings, clock
        self._id = f"d-{uuid4()}"
        self._tasks: list[asyncio.Task[None]] = []
        self._leading = False
        self._leads = metrics.gauge("dispatcher_leading", "1 while this replica is the active dispatcher")
        self._failed = metrics.counter(
            "dispatcher_steps_failed_total", "Looks that ended in an error or took too long", "step"
        )

    async def __aenter__(self) -> "Dispatcher":
        self._tasks = [asyncio.create_task(self._keep_leading(), name="dispatcher")]
        for name, step in self._steps.items():
            self._tasks.append(asyncio.create_task(self._repeat(name, step), name=f"dispatcher {name}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
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

    async def tick(self) -> None:
        """Look once with every step."""
        await self._lead()
        for name, step in self._steps.items():
            await self._look(name, step)

    async def _keep_leading(self) -> None:
        while True:
            try:
                await self._lead()
            except Exception as error:
                self._reaping.lost_contact()
                if is_outage(error):
                    log.warning("dispatcher.mongo_away", extra={"reason": repr(error)[:200]})
                else:
                    log.exception("dispatcher.failed")
            await asyncio.sleep(self._settings.tick.total_seconds())

    async def _lead(self) -> None:
        leading = await self._store.lead(LEADERSHIP, self._id, lease=self._settings.lease)
        # A follower's question is contact as well: who takes over has seen whether MongoDB was there.
        self._reaping.in_contact(self._clock())
        if leading != self._leading:
            log.info("dispatcher.leads" if leading else "dispatcher.follows")
            self._leading = leading
            self._leads.set(int(leading))
            self._reaping.begin_anew()

    async def _repeat(self, name: str, step: Step) -> None:
        while True:
            full = await self._look(name, step)
            await asyncio.sleep(0 if full else self._settings.tick.total_seconds())

    async def _look(self, name: str, step: Step) -> bool:
        if not self._leading:
            return False
        try:
            async with asyncio.timeout(STEP_LIMIT.total_seconds()):
                return await step()
        except PublishError as error:
            log.warning("dispatcher.kafka_away", extra={"step": name, "reason": str(error)})
        except Exception as error:
            if is_outage(error):
                log.warning("dispatcher.step_waits", extra={"step": name, "reason": repr(error)[:200]})
            else:
                log.exception("dispatcher.step_failed", extra={"step": name})
        self._failed.labels(name).inc()
        return False

"""What of the figures of GET /stats goes into the metrics, so that alerts need no other exporter."""

import asyncio
import logging
import math
from datetime import timedelta
from typing import Final, Protocol

from api.statistics import Stats
from job_contracts.upstreams import CLOSED
from service_chassis.metrics import Metrics
from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

_EVERY: Final = timedelta(seconds=15)
"""As often as Prometheus comes by."""


class Figures(Protocol):
    """Whom to ask."""

    async def stats(self) -> Stats:
        """Return the figures of this moment."""


class Observing:
    """Keeps gauges of the whole; every replica has the same, so a graph takes the greatest of them.

    A figure that cannot be had now is NaN: a gap in the graph, and not the figure of before.
    """

    def __init__(self, *, figures: Figures, metrics: Metrics, every: timedelta = _EVERY) -> None:
        self._figures, self._every = figures, every.total_seconds()
        self._jobs = metrics.gauge("jobs", "Jobs there are, by state", "state")
        self._oldest = metrics.gauge("oldest_pending_seconds", "How long the oldest pending job has waited")
        self._lag = metrics.gauge("consumer_lag", "Messages that wait for their group", "topic")
        self._slots = metrics.gauge("worker_slots", "Slots of all live workers")
        self._left = metrics.gauge(
            "upstream_quota_remaining", "Calls that an upstream allows just now", "upstream"
        )
        self._open = metrics.gauge(
            "upstream_breaker_open", "1 while an upstream is left alone because it fails", "upstream"
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Observing":
        self._task = asyncio.create_task(self._run(), name="observing")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    async def look(self) -> None:
        """Ask once."""
        try:
            stats = await self._figures.stats()
        except Exception as error:
            if not is_outage(error):
                raise
            for gauge in (self._jobs, self._lag, self._left, self._open):
                gauge.clear()
            for gauge in (self._oldest, self._slots):
                gauge.set(math.nan)
            return
        for state, count in stats.jobs.items():
            self._jobs.labels(state).set(count)
        # Hosts come and go: one that is not told of any more is no series any more.
        self._left.clear()
        self._open.clear()
        for upstream in stats.upstreams:
            if upstream.quota is not None:
                self._left.labels(upstream.name).set(upstream.quota.remaining)
            self._open.labels(upstream.name).set(upstream.breaker.state != CLOSED)
        self._oldest.set(stats.oldest_pending_seconds or 0)
        self._slots.set(sum(worker.slots for worker in stats.workers))
        if stats.lag is None:
            self._lag.clear()
        for topic, lag in (stats.lag or {}).items():
            self._lag.labels(topic).set(lag)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("observing.failed")
            await asyncio.sleep(self._every)

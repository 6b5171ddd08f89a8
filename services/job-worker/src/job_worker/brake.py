"""The poison brake: a task whose attempts all fail alike pauses itself before its jobs become dead letters.

An expired key of an upstream, or a bad deployment, makes every attempt fail in the same
way. Retrying burns attempts and giving up buries jobs that nothing is wrong with. So a
task is paused when one type of error ends nearly all of its last attempts; its jobs wait
and lose nothing. A probe, one job at a time and ever more seldom, finds out whether the
cause is gone; a person may resume the task at any time.
"""

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from job_contracts.messages import ErrorInfo
from job_worker.pauses import BRAKE, Pause, Pauses
from job_worker.settings import BrakeSettings
from service_chassis.metrics import Metrics
from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

_SHOWN = 300


class BrakeStore(Protocol):
    """Where pauses are set and lifted."""

    async def pause(self, task: str, pause: dict[str, Any], *, probe_after: timedelta) -> bool:
        """Pause a task that is not paused; false if it was."""

    async def resume(self, task: str, pause: Pause) -> bool:
        """Lift exactly this pause; false if it is gone."""


class End(NamedTuple):
    """How an attempt ended: in this type of error, or well."""

    at: float
    error_type: str | None


class Brake:
    """Watches how the attempts of this worker end.

    Errors that only the job itself can cause, such as a payload that does not fit, are
    not told to it: one client's mistakes must not pause a task for all.
    """

    def __init__(
        self,
        *,
        store: BrakeStore,
        pauses: Pauses,
        settings: BrakeSettings,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._store, self._pauses, self._settings, self._clock = store, pauses, settings, clock
        self._ends: dict[str, deque[End]] = defaultdict(lambda: deque(maxlen=max(1, settings.run)))
        self._acts: set[asyncio.Task[None]] = set()
        self._pulled = metrics.counter(
            "brakes_total", "Tasks the brake has paused or resumed", "task", "what"
        )

    def succeeded(self, task: str, *, probe: bool = False) -> None:
        """An attempt has ended well; that of a probe lifts the brake."""
        self._ends[task].append(End(self._clock(), None))
        pause = self._pauses.of(task)
        if probe and pause is not None and pause.by == BRAKE:
            self._act(self._resume(task, pause))

    def failed(self, task: str, error: ErrorInfo) -> None:
        """An attempt has ended in an error."""
        now, ends = self._clock(), self._ends[task]
        ends.append(End(now, error.type))
        if self._settings.run == 0 or self._pauses.of(task) is not None:
            return
        if (alike := self.trips(task, now)) is not None:
            ends.clear()
            reason = (
                f"{alike} of the last {self._settings.run} attempts ended in {error.type}: {error.message}"
            )
            self._act(self._pause(task, error.type, reason[:_SHOWN]))

    def trips(self, task: str, now: float) -> int | None:
        """Return how many of the last attempts ended alike if that is too many, else None."""
        oldest = now - self._settings.within.total_seconds()
        recent = [end for end in self._ends[task] if end.at >= oldest]
        if len(recent) < self._settings.run:
            return None
        (error_type, alike), *_ = Counter(end.error_type for end in recent).most_common(1)
        return alike if error_type is not None and alike >= self._settings.ratio * len(recent) else None

    def holds(self, task: str, error_type: str) -> bool:
        """Whether the task is paused for this very error: the attempt then need not count."""
        pause = self._pauses.of(task)
        return pause is not None and pause.by == BRAKE and pause.error_type == error_type

    def _act(self, work: Any) -> None:
        act = asyncio.create_task(work, name="brake")
        self._acts.add(act)
        act.add_done_callback(self._acts.discard)

    async def _pause(self, task: str, error_type: str, reason: str) -> None:
        pause = {"by": BRAKE, "reason": reason, "error_type": error_type}
        try:
            if await self._store.pause(task, pause, probe_after=self._settings.probe_after):
                log.error("brake.pulled", extra={"task": task, "reason": reason})
                self._pulled.labels(task, "paused").inc()
            await self._pauses.look()
        except Exception as error:
            # Without MongoDB nothing is claimed; the next failure decides again.
            if not is_outage(error):
                raise
            log.warning("brake.not_stored", extra={"task": task, "reason": repr(error)[:200]})

    async def _resume(self, task: str, pause: Pause) -> None:
        try:
            if await self._store.resume(task, pause):
                log.warning("brake.released", extra={"task": task, "why": "a probe has succeeded"})
                self._pulled.labels(task, "resumed").inc()
            await self._pauses.look()
        except Exception as error:
            # The next probe will find the same.
            if not is_outage(error):
                raise
            log.warning("brake.not_stored", extra={"task": task, "reason": repr(error)[:200]})

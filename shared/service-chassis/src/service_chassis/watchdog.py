"""A reader that gets nothing although messages wait for it: made anew, and if that does not help, the process.

A consumer can hang in ways its library does not notice: a fetch that never ends, a group
it believes to be in. The lag is asked for over a connection of its own, so what hangs
the reader does not blind who watches it.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

from service_chassis.metrics import Metrics
from service_chassis.offsets import Offsets, OffsetsError

log = logging.getLogger(__name__)

WEDGED: Final = 71
"""Exit code of a process whose reader stayed stuck (EX_OSERR of sysexits.h)."""

_LOOK_EVERY: Final = timedelta(seconds=5)


class Watched(Protocol):
    """The reader."""

    @property
    def topic(self) -> str:
        """What it reads."""

    @property
    def group(self) -> str:
        """For whom."""

    @property
    def activity(self) -> int:
        """Grows with each batch that came or ended."""

    @property
    def waits_on_purpose(self) -> bool:
        """Whether it takes nothing because nothing is wanted, or a batch is under way."""

    def partitions(self) -> list[int]:
        """Which partitions are its own."""

    def say_stuck(self, reason: str) -> None:
        """Let readiness say why it does not work."""

    async def restart(self) -> bool:
        """Leave the group and join it anew; false if the old reader may still be in it."""


class LagReader(Protocol):
    """Asks Kafka without the reader."""

    async def ends(self, topic: str) -> Offsets:
        """Return where a topic ends."""

    async def committed(self, group: str) -> Offsets:
        """Return how far a group has come."""


def end_process() -> None:
    """End at once; whoever looks after the process starts it again."""
    os._exit(WEDGED)


class Watchdog:
    """Looks every few seconds whether the reader gets on; a part of the service.

    Parameters
    ----------
    patience
        No progress with messages waiting for so long: the reader is made anew; for as long again, or
        should the old one not end: `end`.
    end
        By default the process ends; None: the reader is made anew again, as suits a service that does more than read.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        reader: Watched,
        *,
        offsets: LagReader,
        patience: timedelta,
        clock: Callable[[], float],
        metrics: Metrics,
        end: Callable[[], None] | None = end_process,
    ) -> None:
        self._reader, self._offsets, self._end, self._clock = reader, offsets, end, clock
        self._patience = patience.total_seconds()
        self._since = clock()
        self._seen: tuple[int, Offsets] = (-1, {})
        self._restarted = False
        self._restarts = metrics.counter(
            "subscription_restarts_total", "Readers that were stuck and made anew", "topic"
        )
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watchdog":
        self._runner = asyncio.create_task(self._run(), name=f"watchdog-{self._reader.topic}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()

    async def look(self) -> None:
        """Compare with the look before, and act when there was no progress for too long."""
        now = self._clock()
        lag, committed = await self._lag()
        seen = (self._reader.activity, committed)
        progressed = lag == 0 or seen != self._seen
        if progressed or self._reader.waits_on_purpose:
            self._seen, self._since = seen, now
            self._restarted = self._restarted and not progressed
            return
        stuck_for = now - self._since
        if stuck_for < self._patience:
            return
        reason = f"no progress for {stuck_for:.0f} s with {lag} messages waiting"
        self._reader.say_stuck(reason)
        told = {"topic": self._reader.topic, "reason": reason}
        if self._restarted and self._end is not None:
            log.critical("subscription.wedged", extra=told)
            self._end()
            return
        log.error("subscription.stuck", extra=told)
        self._restarts.labels(self._reader.topic).inc()
        self._restarted = True
        if not await self._reader.restart() and self._end is not None:
            # With its heart still beating it keeps its partitions, and nobody reads them.
            log.critical("subscription.wedged", extra={**told, "reason": "the old reader does not end"})
            self._end()
            return
        self._seen, self._since = (self._reader.activity, committed), self._clock()

    async def _lag(self) -> tuple[int, Offsets]:
        """Return how many messages wait for the reader, and how far its group has come."""
        try:
            ends = await self._offsets.ends(self._reader.topic)
            done = await self._offsets.committed(self._reader.group)
        except OffsetsError:
            return 0, {}  # An outage of Kafka is not the reader's fault.
        # Without partitions of its own it answers for all: perhaps it hangs in joining, and nobody reads.
        mine = self._reader.partitions()
        places = [tp for tp in ends if not mine or tp.partition in mine]
        lag = sum(max(0, ends[tp] - done.get(tp, 0)) for tp in places)
        return lag, {tp: done[tp] for tp in places if tp in done}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY.total_seconds())
            await self.look()

"""Until others have caught up: what the outcome workers must have applied before anything is judged."""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Final, Protocol

from job_contracts.topics import OUTCOME_GROUPS
from service_chassis.offsets import Offsets, OffsetsError

log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=60)
"""Waiting this long for the outcome workers is worth an alarm; it has no end, as judging early loses work."""

FORGOTTEN_AFTER: Final = timedelta(minutes=5)
"""A barrier that nobody asks for any more is forgotten; who comes back gets a new one, which is only later."""


class OffsetsReader(Protocol):
    """What barriers ask of Kafka."""

    async def ends(self, topic: str) -> Offsets:
        """Return where a topic ends."""

    async def committed(self, group: str) -> Offsets:
        """Return how far a group has come."""


class Barriers:
    """Says of what was seen before whether all outcomes acknowledged until then have been applied.

    All names that are new to a look share one barrier, and a look costs the same few calls of Kafka however many
    there are.
    """

    def __init__(self, *, offsets: OffsetsReader, clock: Callable[[], float]) -> None:
        self._offsets, self._clock = offsets, clock
        self._barriers: dict[str, _Barrier] = {}
        self._alarmed = 0.0

    def clear(self) -> None:
        """What was seen before is to be looked at anew."""
        self._barriers.clear()

    def age(self, name: str) -> timedelta:
        """Return for how long this name has waited."""
        barrier = self._barriers.get(name)
        return timedelta(seconds=self._clock() - barrier.since) if barrier else timedelta(0)

    async def passed(self, names: Collection[str]) -> set[str]:
        """Return which of these need wait no more: none of them while Kafka is away."""
        try:
            await self._look(names)
        except OffsetsError as error:
            log.warning("reaping.kafka_away", extra={"reason": str(error)})
            return set()
        passed = {name for name in names if (b := self._barriers.get(name)) and b.passed}
        self._tell_of_lag([name for name in names if name not in passed])
        return passed

    async def _look(self, names: Collection[str]) -> None:
        if not names:
            return
        known = self._barriers
        new = [name for name in names if name not in known]
        if new:
            since = self._clock()
            ends = {str(topic): await self._offsets.ends(topic) for topic in OUTCOME_GROUPS}
            known |= dict.fromkeys(new, _Barrier(ends, since))
        waiting = {barrier for name in names if (barrier := known.get(name)) and not barrier.passed}
        if waiting:
            committed = {str(t): await self._offsets.committed(g) for t, g in OUTCOME_GROUPS.items()}
            for barrier in waiting:
                barrier.look(committed)
        self._forget(names)

    def _forget(self, names: Collection[str]) -> None:
        now = self._clock()
        for name in names:
            if name in self._barriers:
                self._barriers[name].asked = now
        oldest = now - FORGOTTEN_AFTER.total_seconds()
        if any(barrier.asked < oldest for barrier in self._barriers.values()):
            self._barriers = {n: b for n, b in self._barriers.items() if b.asked >= oldest}

    def _tell_of_lag(self, names: Collection[str]) -> None:
        longest = max(names, key=self.age, default=None)
        now = self._clock()
        if longest is None or self.age(longest) <= PATIENCE or now - self._alarmed < PATIENCE.total_seconds():
            return
        self._alarmed = now
        seconds = self.age(longest).total_seconds()
        log.error("reaping.outcomes_lag", extra={"waits_for": longest, "seconds": seconds, "of": len(names)})


class _Barrier:
    """End offsets that the outcome workers must have committed before something is judged."""

    def __init__(self, ends: Mapping[str, Offsets], since: float) -> None:
        self._ends = ends
        self.since = self.asked = since
        self.passed = not any(ends.values())

    def look(self, committed: Mapping[str, Offsets]) -> None:
        """Compare with how far the groups have come."""
        self.passed = all(
            committed[topic].get(tp, -1) >= end
            for topic, ends in self._ends.items()
            for tp, end in ends.items()
        )

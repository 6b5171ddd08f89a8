"""Outcomes on their way to Kafka: in groups, until they are acknowledged."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from job_contracts.keeping import hold_outcome
from job_contracts.messages import JobFailed, JobSucceeded
from job_contracts.record import GuardedMove
from service_chassis.backoff import Backoff
from service_chassis.grouping import Grouped
from service_chassis.mongo import is_outage
from service_chassis.publisher import PublishError

log = logging.getLogger(__name__)

Outcome = JobSucceeded | JobFailed


class OutcomePublisher(Protocol):
    """Where outcomes go."""

    async def succeeded(self, outcomes: Sequence[JobSucceeded]) -> None:
        """Publish results; PublishError if not acknowledged."""

    async def failed(self, letters: Sequence[JobFailed]) -> None:
        """Publish dead letters; PublishError if not acknowledged."""


class HoldStore(Protocol):
    """Where the time of the next look is pushed."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded updates."""


class Outcomes:
    """Publishes outcomes, one group in flight for each topic.

    While Kafka is away each outcome is kept, its job stays here, and its `wake_at` is
    pushed so that nobody reaps a job that has ended (docs/protocol.md, 11).
    """

    def __init__(
        self, *, publisher: OutcomePublisher, store: HoldStore, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._publisher, self._store, self._pause = publisher, store, pause
        self._results: Grouped[JobSucceeded, None] = Grouped(self._publish_results)
        self._letters: Grouped[JobFailed, None] = Grouped(self._publish_letters)

    def publish(self, outcome: Outcome) -> asyncio.Future[None]:
        """Publish an outcome; done when Kafka has acknowledged it, however long that takes.

        Whoever no longer waits cancels its waiting alone: what is being published is published.
        """
        return self._results.put(outcome) if isinstance(outcome, JobSucceeded) else self._letters.put(outcome)

    async def _publish_results(self, group: Sequence[JobSucceeded]) -> Sequence[None]:
        await self._until_acknowledged(self._publisher.succeeded, group)
        return [None] * len(group)

    async def _publish_letters(self, group: Sequence[JobFailed]) -> Sequence[None]:
        await self._until_acknowledged(self._publisher.failed, group)
        return [None] * len(group)

    async def _until_acknowledged(
        self, publish: Callable[..., Awaitable[None]], group: Sequence[Outcome]
    ) -> None:
        failures = 0
        while True:
            try:
                return await publish(group)
            except PublishError as error:
                failures += 1
                log.warning("outcome.not_published", extra={"jobs": len(group), "reason": str(error)})
                await self._hold(group)
                wait = Backoff(first=timedelta(milliseconds=200), cap=timedelta(seconds=3)).wait(failures)
                await self._pause(wait.total_seconds())

    async def _hold(self, group: Sequence[Outcome]) -> None:
        by_version: dict[int, list[str]] = defaultdict(list)
        for outcome in group:
            by_version[outcome.version].append(outcome.job_id)
        try:
            await self._store.apply([hold_outcome(ids, version) for version, ids in by_version.items()])
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("outcome.not_held", extra={"jobs": len(group), "reason": repr(error)[:200]})

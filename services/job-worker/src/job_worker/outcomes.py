"""Outcomes on their way to Kafka: in groups, until they are acknowledged."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from job_contracts.messages import JobFailed, JobSucceeded
from service_chassis.backoff import Backoff
from service_chassis.grouping import Grouped
from service_chassis.publisher import PublishError, RefusedError

log = logging.getLogger(__name__)

Outcome = JobSucceeded | JobFailed


class OutcomePublisher(Protocol):
    """Where outcomes go."""

    async def succeeded(self, outcomes: Sequence[JobSucceeded]) -> None:
        """Publish results; PublishError if not acknowledged."""

    async def failed(self, letters: Sequence[JobFailed]) -> None:
        """Publish dead letters; PublishError if not acknowledged."""


class Outcomes:
    """Publishes outcomes, one group in flight for each topic.

    While Kafka is away each outcome is kept and its job stays here, where `Holding` sees to it that nobody
    reaps a job that has ended (docs/protocol.md, 11).
    """

    def __init__(self, *, publisher: OutcomePublisher, pause: Callable[[float], Awaitable[None]]) -> None:
        self._publisher, self._pause = publisher, pause
        self._results: Grouped[JobSucceeded, None] = Grouped(self._publish_results)
        self._letters: Grouped[JobFailed, None] = Grouped(self._publish_letters)

    def publish(self, outcome: Outcome) -> asyncio.Future[None]:
        """Publish an outcome; done when Kafka has acknowledged it, however long that takes.

        Whoever no longer waits cancels its waiting alone: what is being published is published.
        """
        return self._results.put(outcome) if isinstance(outcome, JobSucceeded) else self._letters.put(outcome)

    async def _publish_results(self, group: Sequence[JobSucceeded]) -> Sequence[None]:
        await self._until_acknowledged(self._publisher.succeeded, group, PublishError)
        return [None] * len(group)

    async def _publish_letters(self, group: Sequence[JobFailed]) -> Sequence[None]:
        # All that a letter holds is bounded: a topic that refuses one refuses all, and can be mended.
        await self._until_acknowledged(self._publisher.failed, group, (PublishError, RefusedError))
        return [None] * len(group)

    async def _until_acknowledged(
        self,
        publish: Callable[..., Awaitable[None]],
        group: Sequence[Outcome],
        passing: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        failures = 0
        while True:
            try:
                return await publish(group)
            except passing as error:
                failures += 1
                log.warning("outcome.not_published", extra={"jobs": len(group), "reason": str(error)})
                wait = Backoff(first=timedelta(milliseconds=200), cap=timedelta(seconds=3)).wait(failures)
                await self._pause(wait.total_seconds())

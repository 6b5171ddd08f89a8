"""Puts the worker's messages on their topics."""

from collections.abc import Sequence

from job_contracts.messages import (
    JobChanged,
    JobFailed,
    JobProgressed,
    JobRequested,
    JobSucceeded,
    MessageRejected,
    encode,
    headers_of,
)
from job_contracts.topics import Topic
from job_contracts.views import Record, changed, event_headers, progressed, requested
from service_chassis.publisher import Outgoing, Publisher


class KafkaPublisher:
    """Says on Kafka what the worker has done."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def succeeded(self, outcomes: Sequence[JobSucceeded]) -> None:
        """Publish results."""
        await self._publisher.publish(Topic.RESULTS, [_outgoing(m) for m in outcomes])

    async def failed(self, letters: Sequence[JobFailed]) -> None:
        """Publish dead letters."""
        await self._publisher.publish(Topic.DEAD_LETTER, [_outgoing(m) for m in letters])

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        """Publish what could not be read, byte for byte."""
        await self._publisher.publish(
            Topic.DEAD_LETTER, [Outgoing(b"", encode(m), headers_of(m)) for m in letters]
        )

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce the stored state of these jobs."""
        await self._publisher.publish(Topic.JOB_EVENTS, [_event(changed(r), r) for r in records])

    async def progressed(self, records: Sequence[Record]) -> None:
        """Announce how far these running jobs are."""
        await self._publisher.publish(Topic.JOB_EVENTS, [_event(progressed(r), r) for r in records])

    async def requested(
        self, records: Sequence[Record], *, partition: int | None = None, probe: bool = False
    ) -> None:
        """Ask workers to look at these pending jobs, though their task is paused if they are probes."""
        messages = [_outgoing(requested(r, probe=probe)) for r in records]
        await self._publisher.publish(Topic.JOBS, messages, partition=partition)


def _outgoing(message: JobRequested | JobSucceeded | JobFailed) -> Outgoing:
    return Outgoing(message.job_id.encode(), encode(message), headers_of(message))


def _event(message: JobChanged | JobProgressed, record: Record) -> Outgoing:
    return Outgoing(message.job_id.encode(), encode(message), event_headers(message, record))

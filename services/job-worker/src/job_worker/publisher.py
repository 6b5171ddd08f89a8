"""Puts the worker's messages on their topics."""

from collections.abc import Mapping, Sequence
from typing import Any

from job_contracts.messages import (
    JobFailed,
    JobProgressed,
    JobSucceeded,
    Message,
    MessageRejected,
    encode,
    headers_of,
)
from job_contracts.topics import Topic
from job_contracts.views import changed, requested
from service_chassis.publisher import Outgoing, Publisher

Record = Mapping[str, Any]


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
        await self._publisher.publish(Topic.DEAD_LETTER, [_outgoing(m, key=b"") for m in letters])

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce the stored state of these jobs."""
        await self._publisher.publish(
            Topic.JOB_EVENTS, [_outgoing(changed(r), state=r["state"]) for r in records]
        )

    async def progressed(self, events: Sequence[JobProgressed]) -> None:
        """Announce how far running jobs are."""
        await self._publisher.publish(Topic.JOB_EVENTS, [_outgoing(m, state="running") for m in events])

    async def requested(self, records: Sequence[Record], *, partition: int | None = None) -> None:
        """Ask workers to look at these pending jobs."""
        await self._publisher.publish(
            Topic.JOBS, [_outgoing(requested(r)) for r in records], partition=partition
        )


def _outgoing(message: Message, *, key: bytes | None = None, state: str | None = None) -> Outgoing:
    own = b"" if isinstance(message, MessageRejected) else message.job_id.encode()
    return Outgoing(own if key is None else key, encode(message), headers_of(message, state=state))

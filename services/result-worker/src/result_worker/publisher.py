"""Puts the result worker's messages on their topics."""

from collections.abc import Sequence

from job_contracts.messages import MessageRejected, encode, headers_of
from job_contracts.topics import Topic
from job_contracts.views import Record, changed, event_headers
from service_chassis.publisher import Outgoing, Publisher


class KafkaPublisher:
    """Says on Kafka what the result worker has recorded."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def changed(self, jobs: Sequence[tuple[Record, bytes]]) -> None:
        """Announce the stored state of jobs, each with its result."""
        events = [(changed(record, result), record) for record, result in jobs]
        await self._publisher.publish(
            Topic.JOB_EVENTS,
            [Outgoing(e.job_id.encode(), encode(e), event_headers(e, record)) for e, record in events],
        )

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        """Divert what could not be read, byte for byte."""
        await self._publisher.publish(
            Topic.DEAD_LETTER, [Outgoing(b"", encode(letter), headers_of(letter)) for letter in letters]
        )

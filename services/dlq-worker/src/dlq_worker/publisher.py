"""Puts the dlq worker's messages on their topic; it has no other, so nothing can loop."""

from collections.abc import Sequence

from job_contracts.messages import encode
from job_contracts.topics import Topic
from job_contracts.views import Record, changed, event_headers
from service_chassis.publisher import Outgoing, Publisher


class KafkaPublisher:
    """Says on Kafka which jobs have failed."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce the stored state of jobs."""
        events = [(changed(record), record) for record in records]
        await self._publisher.publish(
            Topic.JOB_EVENTS,
            [Outgoing(e.job_id.encode(), encode(e), event_headers(e, record)) for e, record in events],
        )

"""What arrives on Kafka, and who takes it."""

from api.receiving import Receiving
from service_chassis.raw_messages import Records
from service_chassis.subscription import Subscription


def register_handlers(events: Subscription, receiving: Receiving) -> None:
    """Subscribe the api to its topic."""

    @events.handles
    async def on_job_events(records: Records) -> None:
        receiving.take(records)

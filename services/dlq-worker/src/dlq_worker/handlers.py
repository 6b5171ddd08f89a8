"""What the dlq worker listens to."""

from dlq_worker.parking import Parking
from service_chassis.raw_messages import Records
from service_chassis.subscription import Subscription


def register_handlers(dead_letters: Subscription, parking: Parking) -> None:
    """Subscribe the worker to its topic."""

    @dead_letters.handles
    async def on_dead_letters(records: Records) -> None:
        await parking.park(records)

    dead_letters.quarantines(parking.quarantine)

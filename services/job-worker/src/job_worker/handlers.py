"""Binds the topic `jobs` to claiming."""

from job_worker.claiming import Claiming
from service_chassis.raw_messages import Records
from service_chassis.subscription import Subscription


def register_handlers(subscription: Subscription, claiming: Claiming) -> None:
    """Claim what the messages of each batch ask for."""

    @subscription.handles
    async def on_jobs_requested(records: Records) -> None:
        await claiming.claim(records)

    subscription.quarantines(claiming.quarantine)

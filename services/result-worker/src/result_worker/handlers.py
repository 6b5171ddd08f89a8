"""What the result worker listens to."""

from result_worker.recording import Recording
from service_chassis.raw_messages import Records
from service_chassis.subscription import Subscription


def register_handlers(results: Subscription, recording: Recording) -> None:
    """Subscribe the worker to its topic."""

    @results.handles
    async def on_results(records: Records) -> None:
        await recording.record(records)

    results.quarantines(recording.quarantine)

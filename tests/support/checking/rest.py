"""I5: some time after the fault nothing is left undone: no lag, nothing overdue, nobody's jobs on a dead worker."""

from datetime import UTC, datetime, timedelta

from job_contracts.record import Collection
from tests.support.records import Document, Records, aware
from tests.support.topics import TopicProbe
from tests.support.waiting import until

_LATE = timedelta(seconds=5)
"""Two ticks of the dispatcher and the move itself, on a busy machine."""


async def at_rest(records: Records, topics: TopicProbe, *, within: float = 60) -> None:
    """Wait until all lags are 0, no live job is overdue and no running job's worker has lost its lease."""
    await topics.drained(within=within)

    async def look() -> bool:
        # Everything is on one machine: its clock is MongoDB's.
        now = datetime.now(UTC)
        live = await records.database[Collection.JOBS].find({"wake_at": {"$exists": True}}).to_list(None)
        workers = await records.database[Collection.WORKERS].find().to_list(None)
        assert not (wrong := unrest(live, workers, now)), "; ".join(wrong[:5])
        return True

    await until(look, within=within, what="nothing to be left undone", every=0.3)


def unrest(live: list[Document], workers: list[Document], now: datetime) -> list[str]:
    """What is left undone: jobs whose time has passed, and jobs of workers without a lease."""
    alive = {w["_id"] for w in workers if aware(w["alive_until"]) > now}
    wrong = []
    for job in live:
        if aware(job["wake_at"]) < now - _LATE:
            wrong.append(f"I5: {job['_id']} is {job['state']} and overdue since {job['wake_at']:%T}")
        elif job["state"] == "running" and job.get("worker") not in alive:
            wrong.append(f"I5: {job['_id']} runs on {job.get('worker')}, whose lease has expired")
    return wrong

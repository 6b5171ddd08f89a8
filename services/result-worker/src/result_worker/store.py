"""Keeps results and moves jobs in MongoDB; translates and decides nothing."""

from collections.abc import Collection as Items
from collections.abc import Sequence
from datetime import timedelta

from job_contracts.messages import JobSucceeded
from job_contracts.minutes import ENDED, Addition
from job_contracts.record import Collection, GuardedMove
from job_contracts.views import Record, one_line
from service_chassis.bulk import add_up, insert_missing, read_by_id, update_and_read, update_groups
from service_chassis.mongo import Mongo


class MongoResultStore:
    """Results by job and version, and the records of their jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def keep(self, outcomes: Sequence[JobSucceeded], *, lifetime: timedelta) -> None:
        """Store results; one that is there already for the same job and version stays."""
        expire_at = self._mongo.now() + lifetime
        documents = [
            {
                "_id": {"job": outcome.job_id, "version": outcome.version},
                "owner": outcome.owner,
                "result": one_line(bytes(outcome.result)).decode(),
                "expire_at": expire_at,
            }
            for outcome in outcomes
        ]
        await insert_missing(self._mongo.collection(Collection.RESULTS), documents)

    async def move(self, moves: Sequence[GuardedMove], ids: Items[str]) -> tuple[int, dict[str, Record]]:
        """Apply moves; return how many jobs moved, and what is told and counted of these jobs then."""
        jobs = self._mongo.collection(Collection.JOBS)
        if len(ids) == len(moves) == 1:
            # The usual batch while little is to be done: one round trip instead of two.
            moved = await update_and_read(jobs, *moves[0], fields=ENDED)
            if moved is not None:
                return 1, {moved["_id"]: moved}
            return 0, await read_by_id(jobs, ids, fields=ENDED)
        return await update_groups(jobs, moves), await read_by_id(jobs, ids, fields=ENDED)

    async def count(self, additions: Sequence[Addition]) -> None:
        """Add to the minutes in which jobs ended, in one round trip."""
        await add_up(self._mongo.collection(Collection.MINUTES), additions)

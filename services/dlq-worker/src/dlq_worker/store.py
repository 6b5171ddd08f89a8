"""Keeps dead letters and moves jobs in MongoDB; translates and decides nothing."""

from collections.abc import Collection as Items
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dlq_worker.parking import DeadLetter
from job_contracts.messages import MessageRejected
from job_contracts.minutes import ENDED, Addition
from job_contracts.record import Collection, GuardedMove
from job_contracts.rejection import origin_of
from job_contracts.views import Record
from service_chassis.bulk import add_up, insert_missing, read_by_id, update_groups
from service_chassis.mongo import Mongo


class MongoLetterStore:
    """Dead letters by where they stood, and the records of their jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def keep(self, letters: Sequence[DeadLetter], *, cluster: str, lifetime: timedelta) -> None:
        """Store letters by where they stood; one that is there already stays."""
        now = self._mongo.now()
        documents = [_document(letter, cluster, now, now + lifetime) for letter in letters]
        await insert_missing(self._mongo.collection(Collection.DEAD_LETTERS), documents)

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply moves in one round trip; return how many jobs moved."""
        return await update_groups(self._mongo.collection(Collection.JOBS), moves)

    async def records(self, ids: Items[str]) -> dict[str, Record]:
        """Return what is told and counted of the records with these ids."""
        return await read_by_id(self._mongo.collection(Collection.JOBS), ids, fields=ENDED)

    async def count(self, additions: Sequence[Addition]) -> None:
        """Add to the minutes in which jobs ended, in one round trip."""
        await add_up(self._mongo.collection(Collection.MINUTES), additions)


def _document(letter: DeadLetter, cluster: str, now: datetime, expire_at: datetime) -> dict[str, Any]:
    received, says = letter.received, letter.says
    document: dict[str, Any] = {
        "_id": letter.id_on(cluster),
        "error": msgspec.structs.asdict(says.error),
        "origin": msgspec.structs.asdict(origin_of(received)),
        "raw": letter.raw,
        "redriven": 0,
        "created_at": now,
        "expire_at": expire_at,
    }
    if isinstance(says, MessageRejected):
        return document | {"kind": "message_rejected", "source": msgspec.structs.asdict(says.source)}
    return document | {
        "kind": str(says.kind),
        "job": says.job_id,
        "task": says.task,
        "owner": says.owner,
        "attempts": says.attempt,
    }

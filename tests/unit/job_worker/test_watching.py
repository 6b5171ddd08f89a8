"""Which of the jobs in their slots are worth a word."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from job_contracts.lifecycle import JobState
from job_contracts.record import GuardedMove
from job_contracts.views import Record
from job_worker.execution import Execution, Running
from job_worker.lease import Lease
from job_worker.watching import Watching
from tests.contract.builders import job_record
from tests.support.waiting import until_true


class Told:
    """Store and publisher in one: all that is asked for is there, and what is announced is noted."""

    def __init__(self, *records: Record) -> None:
        self._records = {record["_id"]: record for record in records}
        self.changes: list[str] = []

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        return len(moves)

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        return {i: self._records[i] for i in ids}

    async def cancel_requests(self, worker: str) -> Mapping[str, int]:
        return {}

    async def changed(self, records: Sequence[Record]) -> None:
        self.changes += [record["_id"] for record in records]

    async def progressed(self, records: Sequence[Record]) -> None:
        raise AssertionError(f"nothing was reported by {records}")


def running(record: Record, *, sending: asyncio.Future[None] | None = None) -> Running:
    context: Any = SimpleNamespace(take_progress=lambda: None, take_lines=list)
    request: Any = SimpleNamespace(job_id=record["_id"])
    return Running(request, record["version"], "worker-1", context, started=0.0, turn=None, sending=sending)


async def test_a_job_that_has_ended_and_waits_for_kafka_is_not_announced_as_running() -> None:
    lasting, ended = job_record(JobState.RUNNING), job_record(JobState.RUNNING)
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    jobs = {lasting["_id"]: running(lasting), ended["_id"]: running(ended, sending=outcome)}
    told = Told(lasting, ended)
    watching = Watching(
        execution=cast("Execution", SimpleNamespace(running=jobs)),
        lease=cast("Lease", SimpleNamespace(worker_id="worker-1")),
        store=cast("Any", told),
        publisher=told,
        clock=lambda: 60.0,
        announce_after=timedelta(milliseconds=1),
    )
    async with watching:
        await until_true(lambda: bool(told.changes), within=5, what="the running job to be announced")
    assert told.changes == [lasting["_id"]]
    outcome.cancel()

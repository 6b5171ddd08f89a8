"""Which of the jobs in their slots are worth a word."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from job_contracts.lifecycle import JobState
from job_contracts.record import GuardedMove
from job_contracts.views import Record
from job_worker.attempt import Running
from job_worker.execution import Execution
from job_worker.lease import Lease
from job_worker.watching import Watching
from tests.contract.builders import job_record
from tests.support.waiting import until_true


class Told:
    """Store and publisher in one: all that is asked for is there, and what is announced is noted."""

    def __init__(self, *records: Record) -> None:
        self.stored: dict[str, dict[str, Any]] = {record["_id"]: dict(record) for record in records}
        self.changes: list[str] = []
        self.progresses: list[str] = []
        self.bad: set[str] = set()
        """Jobs of which nothing can be written or told."""
        self.hangs = False
        self.cancels: dict[str, int] = {}

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        if self.hangs:
            await asyncio.Event().wait()
        self._refuse(move.filter["_id"] for move in moves)
        for move in moves:
            self.stored[move.filter["_id"]]["progress"] = {}
        return len(moves)

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        return {i: self.stored[i] for i in ids}

    async def cancel_requests(self, worker: str) -> Mapping[str, int]:
        return self.cancels

    async def changed(self, records: Sequence[Record]) -> None:
        self._refuse(record["_id"] for record in records)
        self.changes += [record["_id"] for record in records]

    async def progressed(self, records: Sequence[Record]) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self._refuse(record["_id"] for record in records)
        self.progresses += [record["_id"] for record in records]

    def _refuse(self, ids: Iterable[str]) -> None:
        if self.bad & set(ids):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")


class Jobs:
    """What runs, and which of it was told to end."""

    def __init__(self, *jobs: Running) -> None:
        self.running = {job.fence: job for job in jobs}
        self.cancelled: list[tuple[str, int]] = []

    def cancel(self, job_id: str, version: int) -> None:
        self.cancelled.append((job_id, version))


def running(
    record: Record, *, sending: asyncio.Future[None] | None = None, percent: float | None = None
) -> Running:
    newest = [(percent, None)] if percent is not None else []
    context: Any = SimpleNamespace(take_progress=lambda: newest.pop() if newest else None, take_lines=list)
    request: Any = SimpleNamespace(job_id=record["_id"])
    lane: Any = None
    return Running(request, record["version"], "worker-1", context, 0.0, lane, None, sending=sending)


def watching_over(jobs: Jobs, told: Told) -> Watching:
    return Watching(
        execution=cast("Execution", jobs),
        lease=cast("Lease", SimpleNamespace(worker_id="worker-1")),
        store=cast("Any", told),
        publisher=told,
        clock=lambda: 60.0,
        announce_after=timedelta(milliseconds=1),
    )


async def test_a_job_whose_progress_cannot_be_stored_or_told_stops_nobody_elses() -> None:
    records = [job_record(JobState.RUNNING) for _ in range(9)]
    good, bad = [r["_id"] for r in records[1:]], records[0]["_id"]
    told, jobs = Told(*records), Jobs(*(running(r, percent=50) for r in records))
    told.bad.add(bad)
    async with watching_over(jobs, told):
        await until_true(lambda: len(told.progresses) >= 8, within=5, what="the others' progress")
        await until_true(lambda: len(told.changes) >= 8, within=5, what="the others to be announced")
    assert (sorted(told.progresses), sorted(told.changes)) == (sorted(good), sorted(good))


async def test_a_cancel_is_seen_while_progress_can_neither_be_stored_nor_told() -> None:
    record = job_record(JobState.RUNNING)
    told, jobs = Told(record), Jobs(running(record, percent=50))
    told.hangs, told.cancels = True, {record["_id"]: record["version"]}
    async with watching_over(jobs, told):
        await until_true(lambda: bool(jobs.cancelled), within=10, what="the cancel to be seen")
    assert set(jobs.cancelled) == {(record["_id"], record["version"])}


async def test_a_job_that_has_ended_and_waits_for_kafka_is_not_announced_as_running() -> None:
    lasting, ended = job_record(JobState.RUNNING), job_record(JobState.RUNNING)
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    jobs = Jobs(running(lasting), running(ended, sending=outcome))
    told = Told(lasting, ended)
    async with watching_over(jobs, told):
        await until_true(lambda: bool(told.changes), within=5, what="the running job to be announced")
    assert told.changes == [lasting["_id"]]
    outcome.cancel()

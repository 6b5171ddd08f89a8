"""Figures: written together, once, and never in the way of anything else."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pymongo.errors import AutoReconnect

from job_contracts.lifecycle import JobState
from job_contracts.minutes import Addition, Ending
from result_worker.figures import Figures
from tests.contract.builders import job_record
from tests.support.waiting import until_true

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


class Minutes:
    """Notes each write; fails as often as it is told to."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.finished: list[int] = []

    async def count(self, additions: Sequence[Addition]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.finished.append(sum(addition.update["$inc"]["finished"] for addition in additions))


def ended() -> Ending:
    return Ending(job_record(JobState.SUCCEEDED, finished_at=NOW), 0.1)


async def test_what_comes_within_a_moment_is_one_write() -> None:
    minutes = Minutes()
    async with Figures(store=minutes, every=timedelta(hours=1)) as figures:
        figures.add([ended()])
        await until_true(lambda: minutes.finished == [1], within=5, what="the first to be written at once")
        for _ in range(3):
            figures.add([ended()])
            await asyncio.sleep(0)
    assert minutes.finished == [1, 3], "the rest at the end"


async def test_what_an_outage_may_have_taken_is_not_written_again() -> None:
    minutes = Minutes(AutoReconnect("gone"))
    figures = Figures(store=minutes)
    figures.add([ended()])
    await figures.write()
    figures.add([ended(), ended()])
    await figures.write()
    assert minutes.finished == [2]


async def test_a_write_that_is_refused_does_not_end_the_writing() -> None:
    minutes = Minutes(ValueError("no such minute"))
    async with Figures(store=minutes, every=timedelta(0)) as figures:
        figures.add([ended()])
        await until_true(lambda: not minutes.faults, within=5, what="the refusal")
        figures.add([ended()])
        await until_true(lambda: minutes.finished == [1], within=5, what="the next write")

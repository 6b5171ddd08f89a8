"""Moves in groups: one job's trouble is its own."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import bson

from job_contracts.messages import ErrorInfo
from job_contracts.record import GuardedMove, retry
from job_worker.moving import Moving
from job_worker.outcomes import Outcomes
from service_chassis.publisher import RefusedError
from tests.contract.builders import failed, job_record, succeeded
from tests.contract.memory import MemoryStore


class Encoding(MemoryStore):
    """A store that, as BSON does, takes no text that has no UTF-8; a group that fails has half of it applied."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        applied = 0
        for move in moves:
            bson.encode({"update": move.update})
            applied += await super().apply([move])
        return applied

    async def records(self, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        return {i: self.jobs[i] for i in ids if i in self.jobs}


class Picky:
    """Publishes everything but what it cannot encode."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.bad = ""

    async def changed(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._take([r["_id"] for r in records])

    async def requested(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Nothing is pending here."""

    async def succeeded(self, outcomes: Sequence[Any]) -> None:
        self._take([o.job_id for o in outcomes])

    failed = succeeded

    def _take(self, ids: list[str]) -> None:
        if self.bad in ids:
            raise RefusedError("MessageSizeTooLargeError")
        self.told += ids


def a_retry(job: Mapping[str, Any], message: str) -> GuardedMove:
    return retry(job["_id"], job["version"], wait=timedelta(0), error=ErrorInfo(type="E", message=message))


async def nothing(_: float) -> None:
    await asyncio.sleep(0)


async def test_an_error_text_that_cannot_be_stored_fails_its_own_move_and_none_beside_it() -> None:
    store, publisher = Encoding(), Picky()
    jobs = [job_record() for _ in range(9)]
    store.jobs = {job["_id"]: job for job in jobs}
    moving = Moving(store=store, publisher=publisher, pause=nothing)
    texts = ["\ud800" if n == 4 else "well" for n in range(9)]
    ends = await asyncio.gather(
        *(
            moving.make(job["_id"], job["version"], a_retry(job, text))
            for job, text in zip(jobs, texts, strict=True)
        ),
        return_exceptions=True,
    )
    assert isinstance(ends.pop(4), Exception)
    assert ends == [True] * 8
    assert [job["version"] for job in store.jobs.values()].count(jobs[0]["version"] + 1) == 8, (
        "each moved once"
    )
    assert len(set(publisher.told)) == len(publisher.told) == 8


async def test_an_event_that_nobody_can_publish_keeps_back_no_other() -> None:
    store, publisher = Encoding(), Picky()
    jobs = [job_record() for _ in range(9)]
    publisher.bad = jobs[3]["_id"]
    await Moving(store=store, publisher=publisher, pause=nothing).announce(jobs)
    assert sorted(publisher.told) == sorted(job["_id"] for job in jobs if job["_id"] != publisher.bad)


async def test_two_attempts_of_one_job_in_a_group_have_each_their_own_answer() -> None:
    store, publisher = Encoding(), Picky()
    old = job_record(version=2)
    new = {**old, "version": 4}
    store.jobs = {new["_id"]: new}
    moving = Moving(store=store, publisher=publisher, pause=nothing)
    answers = await asyncio.gather(
        *(moving.make(job["_id"], job["version"], a_retry(job, "well")) for job in (new, old))
    )
    assert answers == [True, False]


async def test_an_outcome_kafka_will_never_take_fails_alone() -> None:
    publisher = Picky()
    outcomes = Outcomes(publisher=publisher, pause=nothing)
    made = [succeeded(f"job-{n}") for n in range(9)]
    publisher.bad = "job-5"
    ends = await asyncio.gather(*map(outcomes.publish, made), return_exceptions=True)
    assert isinstance(ends.pop(5), RefusedError)
    assert ends == [None] * 8


async def test_letters_that_their_topic_refuses_are_held_until_it_takes_them() -> None:
    publisher, pauses = Picky(), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            publisher.bad = ""

    outcomes = Outcomes(publisher=publisher, pause=pause)
    made = [failed(f"job-{n}") for n in range(9)]
    publisher.bad = "job-5"
    assert await asyncio.gather(*map(outcomes.publish, made)) == [None] * 9
    assert sorted(publisher.told) == sorted(letter.job_id for letter in made)

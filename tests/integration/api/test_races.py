"""A cancel against every other move, on MongoDB: whatever comes first, nothing is done twice or half."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from api.dead_letters import DeadLetters
from api.moving import Moving
from api.problems import JOB_FINAL, Problem
from api.store import MongoJobStore
from job_contracts.indexes import INDEXES
from job_contracts.lifecycle import FINAL, MOVES, JobState
from job_contracts.record import Collection, GuardedMove
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoSettings
from tests.contract.builders import job_record
from tests.contract.moves import FENCED, PERSONAL
from tests.support.product import Servers
from tests.unit.api.fakes import FakeAnnouncer

ROUNDS = 40
DAY = timedelta(days=1)

RIVALS = [
    (name, source) for name, move in MOVES.items() if name != "cancel" for source in sorted(move.sources)
]
"""Every other move, out of every state it may leave."""


@pytest.fixture
async def mongo(servers: Servers) -> AsyncIterator[Mongo]:
    settings = MongoSettings(uri=SecretStr(servers.mongo_uri), database="api-races")
    async with Mongo(settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        yield mongo


class Race:
    """One job in one state, a person who cancels it and a service that moves it, at once."""

    def __init__(self, mongo: Mongo, name: str, source: JobState, rng: Random) -> None:
        self.store, self.rng = MongoJobStore(mongo), rng
        self.jobs = mongo.collection(Collection.JOBS)
        self.announcer = FakeAnnouncer()
        self.moving = Moving(
            store=self.store,
            letters=DeadLetters(mongo),
            announcer=self.announcer,
            now=mongo.now,
            cancelled_kept=DAY,
            redrives=3,
        )
        self.job: dict[str, Any] = job_record(source, 7)
        if source == JobState.FAILED:
            self.job["error"] = {"kind": "rejected", "type": "Boom", "message": ""}
        self.move: GuardedMove = {**FENCED, **PERSONAL}[name](self.job["_id"], 7)[0]

    async def run(self) -> tuple[bool, bool, dict[str, Any]]:
        """Return whether the cancel and the rival got through, and what is stored after both."""
        await self.jobs.insert_one(self.job)
        cancelled, changed = await asyncio.gather(self._cancel(), self._rival())
        return cancelled, changed, await self.jobs.find_one({"_id": self.job["_id"]})

    async def _cancel(self) -> bool:
        await self._some_turns()
        try:
            await self.moving.cancel(self.job["_id"], owner="default")
        except Problem as problem:
            if problem.kind is JOB_FINAL:
                return False
            raise
        return True

    async def _rival(self) -> bool:
        await self._some_turns()
        return await self.store.move(self.move) is not None

    async def _some_turns(self) -> None:
        for _ in range(self.rng.randrange(12)):
            await asyncio.sleep(0)


async def _races(mongo: Mongo, name: str, source: JobState) -> Sequence[tuple[bool, bool, dict[str, Any]]]:
    rng = Random(f"{name} {source}")
    return await asyncio.gather(*(Race(mongo, name, source, rng).run() for _ in range(ROUNDS)))


@pytest.mark.parametrize(("name", "source"), RIVALS)
async def test_a_cancel_and_another_move_at_once_leave_a_job_that_is_one_or_the_other(
    mongo: Mongo, name: str, source: JobState
) -> None:
    began = datetime.now(UTC)
    for cancelled, moved, after in await _races(mongo, name, source):
        is_cancelled = after["state"] == "cancelled" and name != "stop"
        # Each winner has raised the version by one, and nothing else has.
        assert after["version"] == 7 + moved + is_cancelled, after
        # Who cancelled and was told so has stopped the job, or its worker knows; who was refused came too late.
        if cancelled:
            assert after["state"] == "cancelled" or after.get("cancel_requested"), after
        else:
            assert moved, after
            assert after["state"] in FINAL or source == JobState.FAILED, after
        # The guard of the version: the rival cannot have come second, unless it names the job as a person does.
        if is_cancelled and moved:
            assert MOVES[name].target in MOVES["cancel"].sources, after
        assert ("wake_at" in after) == (after["state"] not in FINAL), after
        assert ("expire_at" in after) == (after["state"] in FINAL) or source == JobState.FAILED, after
        assert after["updated_at"] >= began - timedelta(minutes=1)


async def test_of_many_who_cancel_at_once_the_first_is_told_and_the_others_came_too_late(
    mongo: Mongo,
) -> None:
    race = Race(mongo, "release", JobState.WAITING, Random(1))
    await race.jobs.insert_one(race.job)
    answers = await asyncio.gather(*(race._cancel() for _ in range(20)))
    after = await race.jobs.find_one({"_id": race.job["_id"]})
    assert (sum(answers), after["state"], after["version"]) == (1, "cancelled", 8)
    assert len(race.announcer.told) == 1

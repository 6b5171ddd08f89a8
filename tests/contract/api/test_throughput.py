"""The minutes as outcome workers write them and the api reads them, whichever driver asks."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from api.throughput import Spans, Throughput, between
from job_contracts.indexes import INDEXES
from job_contracts.minutes import Ending, additions, minute_of
from job_contracts.record import Collection
from service_chassis.bulk import add_up
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.contract.api.plans import stages
from tests.contract.builders import job_record
from tests.support.product import Servers


@pytest.fixture(params=list(MongoDriver))
async def mongo(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Mongo]:
    settings = MongoSettings(
        uri=SecretStr(servers.mongo_uri), database="contract-api-minutes", driver=request.param
    )
    async with Mongo(settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        await mongo.collection(Collection.MINUTES).delete_many({})
        yield mongo


async def add(mongo: Mongo, at: datetime, *runs: float, **fields: Any) -> None:
    jobs = [job_record("succeeded", finished_at=at, waited=1000, **fields) for _ in runs]
    endings = [Ending(job, run) for job, run in zip(jobs, runs, strict=True)]
    await add_up(mongo.collection(Collection.MINUTES), additions(endings))


def read(mongo: Mongo, now: datetime) -> Throughput:
    """The minutes as they are at a moment at which time stands still."""
    return Throughput(owner="default", mongo=mongo, now=lambda: now)


async def test_the_last_minutes_are_read_oldest_first_and_by_task(mongo: Mongo) -> None:
    now = minute_of(mongo.now())
    for ago in (0, 1, 59, 60, 61, 179, 180):
        await add(mongo, now - timedelta(minutes=ago), 1)
    await add(mongo, now, 1, task="another")
    await add(mongo, now, 1, owner="somebody")
    await add(mongo, now, 1, owner="defaults")
    throughput = read(mongo, now)
    told = [(m.minute, m.task, m.finished, m.failed) for m in await throughput.minutes(60)]
    expected = [(now - timedelta(minutes=59), "noop"), (now - timedelta(minutes=1), "noop")]
    assert told == [(at, task, 1, 0) for at, task in [*expected, (now, "another"), (now, "noop")]]
    assert len(await throughput.minutes(1)) == 2
    assert len(await throughput.minutes(3)) == 3
    assert (await throughput.minutes(180))[0].minute == now - timedelta(minutes=179)


async def test_what_two_workers_count_in_a_minute_is_one_minute(mongo: Mongo) -> None:
    now = minute_of(mongo.now())
    await add(mongo, now, *[0.25] * 10)
    await add(mongo, now, *[0.25] * 8, 64, 64)
    (minute,) = await read(mongo, now).minutes(60)
    assert (minute.finished, minute.wait) == (20, Spans(1.024, 1.024))
    assert minute.run == Spans(0.256, 65.536)


async def test_no_minute_is_looked_at_but_those_that_are_told(mongo: Mongo) -> None:
    now = minute_of(mongo.now())
    for ago in range(20):
        for owner in ("default", "somebody"):
            await add(mongo, now - timedelta(minutes=ago), 1, owner=owner)
    walk: list[dict[str, Any]] = [
        {"$match": between("default", now - timedelta(minutes=4), now)},
        {"$sort": {"_id": 1}},
    ]
    found = await stages(mongo, Collection.MINUTES, walk, "_id_")
    names = {stage["stage"] for stage in found}
    assert "IXSCAN" in names
    assert not names & {"COLLSCAN", "SORT"}, names
    assert {stage["docsExamined"] for stage in found if "docsExamined" in stage} == {4}


async def test_jobs_that_never_ran_have_no_times(mongo: Mongo) -> None:
    now = mongo.now()
    failed = job_record("failed", finished_at=now)
    await add_up(mongo.collection(Collection.MINUTES), additions([Ending(failed, None)]))
    throughput = read(mongo, now)
    (minute,) = await throughput.minutes(1)
    assert (minute.finished, minute.failed, minute.wait, minute.run) == (0, 1, *[Spans(None, None)] * 2)
    assert await throughput.last_minute() == 1

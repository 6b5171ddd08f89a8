"""A worker's lease on real MongoDB: renewed from its own thread, and never after it lapsed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from job_worker.lease import Lease
from job_worker.settings import WorkerSettings
from job_worker.slots import Slots
from service_chassis.settings import MongoSettings
from tests.support.product import Servers
from tests.support.waiting import until_true

LEASE = timedelta(seconds=3)


@pytest.fixture
def settings(servers: Servers) -> MongoSettings:
    return MongoSettings(uri=SecretStr(servers.mongo_uri), database=f"lease-{uuid4().hex[:8]}")


@pytest.fixture
def workers(settings: MongoSettings) -> Iterator[Any]:
    client: MongoClient[dict[str, Any]] = MongoClient(settings.uri.get_secret_value())
    yield client[settings.database]["workers"]
    client.drop_database(settings.database)
    client.close()


@pytest.fixture
def make(settings: MongoSettings) -> Callable[[], Lease]:
    def lease() -> Lease:
        return Lease(
            settings,
            WorkerSettings(lease=LEASE, renew_every=timedelta(seconds=0.5)),
            tasks=lambda: ["noop"],
            unavailable=list,
            slots=Slots(7),
            partitions=lambda: [3],
            running=list,
        )

    return lease


@pytest.fixture
async def lease(make: Callable[[], Lease]) -> AsyncIterator[Lease]:
    async with make() as held:
        yield held


async def test_a_worker_is_among_the_living_before_it_may_claim(lease: Lease, workers: Any) -> None:
    worker = await asyncio.wait_for(lease.held(), 10)
    document = workers.find_one({"_id": worker})
    assert (document["slots"], document["busy"], document["partitions"]) == (7, 0, [3])
    assert document["tasks"] == ["noop"]


async def test_the_lease_outlives_a_blocked_event_loop(lease: Lease, workers: Any) -> None:
    worker = await asyncio.wait_for(lease.held(), 10)
    time.sleep(LEASE.total_seconds() * 2)  # noqa: ASYNC251  the very thing a careless task does
    assert lease.holds()
    assert lease.worker_id == worker
    assert workers.find_one({"_id": worker}) is not None


async def test_a_lapsed_lease_is_not_renewed_and_the_worker_goes_on_under_a_new_id(
    lease: Lease, workers: Any
) -> None:
    dropped: list[str] = []
    lease.on_lapse = dropped.append
    old = await asyncio.wait_for(lease.held(), 10)
    workers.update_one({"_id": old}, [{"$set": {"alive_until": {"$subtract": ["$$NOW", 1]}}}])
    await until_true(lambda: lease.worker_id != old, within=10, what="a new id")
    new = await asyncio.wait_for(lease.held(), 10)
    assert dropped == [old]
    assert workers.find_one({"_id": new}) is not None


async def test_a_worker_whose_document_is_gone_counts_as_dead(lease: Lease, workers: Any) -> None:
    old = await asyncio.wait_for(lease.held(), 10)
    workers.delete_one({"_id": old})
    await until_true(lambda: lease.worker_id != old, within=10, what="a new id")


async def test_a_worker_that_leaves_takes_its_document_with_it(
    make: Callable[[], Lease], workers: Any
) -> None:
    async with make() as leaving:
        worker = await asyncio.wait_for(leaving.held(), 10)
    assert workers.find_one({"_id": worker}) is None


async def test_a_worker_knows_how_much_room_the_others_have(lease: Lease, make: Callable[[], Lease]) -> None:
    await asyncio.wait_for(lease.held(), 10)
    async with make() as other:
        await asyncio.wait_for(other.held(), 10)
        await until_true(lambda: lease.free_elsewhere == 7, within=10, what="the room of the other worker")

"""One real MongoDB for the whole run, and the same store in memory beside it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from job_contracts.indexes import INDEXES
from jobstream_local.mongod import Mongod
from jobstream_local.ports import free_port
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.contract.keepers import Keeper, MemoryKeeper, MongoKeeper


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    mongod = Mongod(home=tmp_path_factory.mktemp("mongod"), port=port, members=[port])
    asyncio.run(mongod.start())
    yield mongod.uri
    asyncio.run(mongod.stop())


@pytest.fixture(params=["memory", *MongoDriver])
def mongo_settings(request: pytest.FixtureRequest) -> MongoSettings | None:
    """How to reach MongoDB through either driver; None for the run in memory, which needs no server."""
    if request.param == "memory":
        return None
    uri: str = request.getfixturevalue("mongo_uri")
    return MongoSettings(uri=SecretStr(uri), database="contract", driver=request.param)


@pytest.fixture
async def keeper(mongo_settings: MongoSettings | None) -> AsyncIterator[Keeper]:
    """Where records are kept: in memory, and in MongoDB through either driver."""
    if mongo_settings is None:
        yield MemoryKeeper()
        return
    async with Mongo(mongo_settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        yield MongoKeeper(mongo)

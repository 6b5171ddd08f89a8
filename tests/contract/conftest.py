"""One real MongoDB for the whole run, and the same store in memory beside it."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from job_contracts.indexes import INDEXES
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.contract.keepers import Keeper, MemoryKeeper, MongoKeeper
from tests.support.product import Servers


@pytest.fixture(params=["memory", *MongoDriver])
def mongo_settings(request: pytest.FixtureRequest) -> MongoSettings | None:
    """How to reach MongoDB through either driver; None for the run in memory, which needs no server."""
    if request.param == "memory":
        return None
    servers: Servers = request.getfixturevalue("servers")
    return MongoSettings(uri=SecretStr(servers.mongo_uri), database="contract", driver=request.param)


@pytest.fixture
async def keeper(mongo_settings: MongoSettings | None) -> AsyncIterator[Keeper]:
    """Where records are kept: in memory, and in MongoDB through either driver."""
    if mongo_settings is None:
        yield MemoryKeeper()
        return
    async with Mongo(mongo_settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        yield MongoKeeper(mongo)

"""A database of its own for each test of what the worker asks MongoDB."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from job_contracts.indexes import INDEXES
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoSettings
from tests.support.product import Servers


@pytest.fixture
async def mongo(servers: Servers) -> AsyncIterator[Mongo]:
    settings = MongoSettings(uri=SecretStr(servers.mongo_uri), database=f"worker-{uuid4().hex[:8]}")
    async with Mongo(settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        yield mongo
        await mongo.collection("jobs").database.client.drop_database(settings.database)

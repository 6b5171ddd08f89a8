"""Places in memory and on MongoDB, through either driver."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from job_contracts.indexes import INDEXES
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoSettings
from tests.contract.api.places import Place, in_memory, in_mongo


@pytest.fixture
async def place(mongo_settings: MongoSettings | None) -> AsyncIterator[Place]:
    """An empty place: in memory, and in MongoDB through either driver."""
    if mongo_settings is None:
        yield in_memory()
        return
    settings = MongoSettings(
        uri=SecretStr(mongo_settings.uri.get_secret_value()),
        database="contract-api-moves",
        driver=mongo_settings.driver,
    )
    async with Mongo(settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        yield await in_mongo(mongo)

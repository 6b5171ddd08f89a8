"""A product that a test may break: on servers of its own, healed before each test and after it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe


@pytest.fixture(scope="package")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("faults"), replicas=Replicas(job_worker=2))
    product.up()
    yield product
    product.down()


@pytest.fixture
def product(breakable: Product) -> Iterator[Product]:
    """The product, whole: what the test before has left broken is mended first."""
    asyncio.run(breakable.heal())
    yield breakable
    asyncio.run(breakable.heal())


@pytest.fixture
async def api(product: Product) -> AsyncIterator[Api]:
    async with product.api() as api:
        yield api


@pytest.fixture
async def records(product: Product) -> AsyncIterator[Records]:
    """The truth, and its history since the test began."""
    async with product.records() as records:
        yield records


@pytest.fixture
async def topics(product: Product) -> AsyncIterator[TopicProbe]:
    """The topics since the test began."""
    async with product.topics() as topics:
        yield topics

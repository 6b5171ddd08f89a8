"""The four services on the shared servers: one of each, and several."""

from collections.abc import AsyncIterator, Iterator

import pytest

from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.product import Product, Servers


@pytest.fixture(scope="module")
def replicas() -> Replicas:
    """How many of each; a module says otherwise by its own fixture of this name."""
    return Replicas()


@pytest.fixture(scope="module")
def product(
    servers: Servers, replicas: Replicas, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("line"), servers=servers, replicas=replicas)
    product.up()
    yield product
    product.down()


@pytest.fixture
async def api(product: Product) -> AsyncIterator[Api]:
    async with product.api() as api:
        yield api

"""More processes of a service beside those a product began with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobstream_local.ports import free_port
from jobstream_local.services import Service
from tests.support.product import Product


@asynccontextmanager
async def beside(product: Product, kind: str, count: int, **env: str) -> AsyncIterator[list[str]]:
    """Run so many more of a kind, by name; those that still run afterwards are told to end."""
    stack, there = product.stack, len(product.names(kind))
    more = [
        Service(f"{kind}-{n}", kind=kind, home=stack.home, ops=free_port(), env={**stack.env, **env})
        for n in range(there + 1, there + 1 + count)
    ]
    stack.parts |= {service.name: service for service in more}
    try:
        await asyncio.gather(*(service.start() for service in more))
        yield [service.name for service in more]
    finally:
        await asyncio.gather(*(service.stop() for service in more))
        for service in more:
            del stack.parts[service.name]

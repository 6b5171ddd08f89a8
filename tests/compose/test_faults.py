"""Each container killed, frozen, cut off or made anew under load: nothing is lost and pages end on the truth."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.compose.containers import SERVICES, Containers
from tests.compose.verdict import judge
from tests.support.load import Load

_EVERYTHING = (*SERVICES, "kafka", "mongo", "gateway")

Fault = Callable[[], Awaitable[None]]


@pytest.fixture
def meanwhile(stack: Containers) -> Callable[[Fault], Awaitable[None]]:
    """Run a load, let a fault happen in its midst, and judge."""

    async def run(fault: Fault) -> None:
        async with (
            stack.api(timeout=20) as api,
            await stack.records() as records,
            stack.events("/events", again=True) as page,
            Load(api, jobs=200, rate=20) as load,
        ):
            await load.reached(0.3)
            await fault()
            await load.done()
            told = await judge(load, api, records, page)
            print(f"{dict(load.errors)} {told}")

    return run


@pytest.mark.parametrize("service", _EVERYTHING)
async def test_killing_any_container_loses_nothing(
    stack: Containers, meanwhile: Callable[[Fault], Awaitable[None]], service: str
) -> None:
    async def fault() -> None:
        container = (await stack.ids(service))[0]
        await stack.kill(container)
        await asyncio.sleep(2)  # the time it stays dead
        await stack.start(container)
        await stack.healthy(container)

    await meanwhile(fault)


@pytest.mark.parametrize("service", _EVERYTHING)
async def test_freezing_any_container_loses_nothing(
    stack: Containers, meanwhile: Callable[[Fault], Awaitable[None]], service: str
) -> None:
    async def fault() -> None:
        async with stack.paused(service):
            await asyncio.sleep(12)  # longer than a worker's lease

    await meanwhile(fault)


@pytest.mark.parametrize("server", ["kafka", "mongo"])
async def test_cutting_a_server_off_the_network_loses_nothing(
    stack: Containers, meanwhile: Callable[[Fault], Awaitable[None]], server: str
) -> None:
    async def fault() -> None:
        async with stack.cut_off(server):
            await asyncio.sleep(10)  # the time it is away

    await meanwhile(fault)


async def test_making_every_service_anew_under_load_loses_nothing(
    stack: Containers, meanwhile: Callable[[Fault], Awaitable[None]]
) -> None:
    async def fault() -> None:
        for service in (*SERVICES, "gateway"):
            await stack.up("--no-deps", "--force-recreate", service)

    await meanwhile(fault)


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
async def test_a_service_ends_cleanly_within_its_grace(stack: Containers, service: str) -> None:
    container = (await stack.ids(service))[0]
    try:
        assert await stack.stop(container) == 0
        host = await stack.inspect(container)
        assert not host["State"]["OOMKilled"]
    finally:
        await stack.start(container)
        await stack.healthy(container)

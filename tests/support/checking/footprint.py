"""I10: what a process holds - memory, file descriptors, asyncio tasks - is bounded and returns to where it was."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from service_chassis.server import KEPT_ALIVE
from tests.support.product import Product
from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one process holds."""

    rss: int
    fds: int
    tasks: int

    def __str__(self) -> str:
        return f"{self.rss / 2**20:.0f} MiB, {self.fds} fds, {self.tasks} tasks"


Footprints = Mapping[str, Footprint]


async def footprints(product: Product) -> Footprints:
    """What every service process holds now."""
    held = {}
    for service in product.services():
        process = psutil.Process(service.process.pid)
        tasks = next((s.value for s in await product.metrics(service.name) if s.name == "asyncio_tasks"), 0)
        held[service.name] = Footprint(process.memory_info().rss, process.num_fds(), int(tasks))
    return held


def grown(
    before: Footprints, after: Footprints, *, rss: int = 64 * 2**20, fds: int = 20, tasks: int = 20
) -> list[str]:
    """Processes that hold more than they did by over so much.

    Memory is not given back to the system byte for byte: the allowance is what a service needs
    to have once been busy.
    """
    return [
        f"I10: {name} held {was} and holds {now}"
        for name, now in after.items()
        if (was := before.get(name)) is not None
        and (now.rss > was.rss + rss or now.fds > was.fds + fds or now.tasks > was.tasks + tasks)
    ]


async def back_to_baseline(
    product: Product, before: Footprints, *, within: float = KEPT_ALIVE + 15, rss: int = 64 * 2**20
) -> dict[str, object]:
    """Wait until nobody holds more than before; return the greatest growth of each kind.

    A burst at the end leaves idle connections of clients, which the api keeps for a while.
    """
    after: Footprints = {}

    async def look() -> bool:
        nonlocal after
        after = await footprints(product)
        assert not (more := grown(before, after, rss=rss)), "; ".join(more)
        return True

    await until(look, within=within, what="processes to hold no more than before", every=0.5)
    both = [(before[name], now) for name, now in after.items() if name in before]
    return {
        "rss growth MiB": round(max((now.rss - was.rss) / 2**20 for was, now in both), 1),
        "fd growth": max(now.fds - was.fds for was, now in both),
        "task growth": max(now.tasks - was.tasks for was, now in both),
    }


@asynccontextmanager
async def highest_rss(product: Product) -> AsyncIterator[dict[str, int]]:
    """Look twice a second how many bytes each service process holds; the most of each, by name."""
    most: dict[str, int] = {}

    async def watch() -> None:
        while True:
            for service in product.services():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if pid := service.process.pid:
                        rss = psutil.Process(pid).memory_info().rss
                        most[service.name] = max(rss, most.get(service.name, 0))
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(watch(), name="highest-rss")
    try:
        yield most
    finally:
        watching.cancel()

"""Wall clocks of single processes, moved while they run; made by a few lines of C, preloaded."""

import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from tests.support.preloaded import compiled
from tests.support.product import Product


class WallClock:
    """How far the clock of one process is moved."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.move(timedelta(0))

    def move(self, by: timedelta) -> None:
        """Let the process see a time so far from the true one, from now on."""
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("q", round(by.total_seconds())))


@asynccontextmanager
async def wall_clocks(
    product: Product, folder: Path, kind: str | None = None, **env: str
) -> AsyncIterator[Mapping[str, WallClock]]:
    """Run every service process, or those of a kind, on a clock of its own, by name; on the true one again afterwards.

    `env` are further settings meanwhile.
    """
    library = await compiled("wall_clock", folder)
    services = product.services(*([kind] if kind else []))
    clocks = {service.name: WallClock(folder / service.name) for service in services}
    moved = {
        name: {"LD_PRELOAD": str(library), "WALL_CLOCK": str(clock.file), **env}
        for name, clock in clocks.items()
    }
    async with product.having_each(moved):
        yield clocks

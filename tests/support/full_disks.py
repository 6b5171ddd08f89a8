"""A disk under one server that has no space left, and then has some again; made by a few lines of C, preloaded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.preloaded import compiled
from tests.support.product import Product


class Disk:
    """The disk under the data of one server."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag
        self.flag.write_bytes(b"\0")

    def fill(self) -> None:
        """From now on nothing more can be written."""
        self._say(b"\1")

    def free(self) -> None:
        """There is space again."""
        self._say(b"\0")

    def _say(self, byte: bytes) -> None:
        # In place: processes have the file mapped.
        with self.flag.open("r+b") as file:
            file.write(byte)


@asynccontextmanager
async def disk_under(product: Product, server: str, folder: Path) -> AsyncIterator[Disk]:
    """Run a server, such as `kafka`, on a disk that can be filled; on an ordinary one again afterwards."""
    part, disk = product.stack.part(server), Disk(folder / f"{server}-disk")
    library = await compiled("full_disk", folder)
    await part.stop()
    part.extra_env |= {
        "LD_PRELOAD": str(library),
        "FULL_DISK": str(disk.flag),
        "FULL_DISK_FOLDER": str(product.stack.home / server),
    }
    try:
        await part.start()
        yield disk
    finally:
        disk.free()
        await part.stop()
        part.extra_env.clear()
        await part.start()

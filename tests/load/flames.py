"""`make bench ARGS='--flames docs/flames'`: one flame graph per service, under single POSTs.

py-spy looks from outside at a service that is under load as in `make bench`; it must be on PATH (`pip install
py-spy`), since it is no part of the product and needs the right to look into other processes. Each picture is an
SVG for a browser: the wider a frame, the more of the CPU it and what it calls take.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

from jobstream_local.stack import Ports, Replicas, Stack
from tests.load.driving import Driver
from tests.load.report import say

_SERVICES: Final = ("api", "job-worker", "result-worker")
_SECONDS: Final = 10
_A_SECOND: Final = 100
"""Looks a second: more make larger pictures that say the same."""

MOST_BYTES: Final = 200_000
"""What a picture may have to lie beside the documents."""


async def draw(folder: Path, body: bytes, connections: int) -> int:
    """Draw them into the folder; 1 if that was not possible."""
    if shutil.which("py-spy") is None:
        say("no pictures: py-spy is not on PATH; pip install py-spy")
        return 1
    sizes: dict[Path, int] = {}
    with tempfile.TemporaryDirectory(prefix="jobstream-flames-") as home:
        async with Stack(Path(home), ports=Ports.free(), replicas=Replicas()) as stack:
            driver = Driver(stack.api_url, body)
            async with driver.listening():
                await driver.closed_loop(4_000, connections)  # nothing is cold any more
                for service in _SERVICES:
                    say(f"looking at {service} for {_SECONDS} s")
                    pid, picture = stack.part(f"{service}-1").process.pid, folder / f"{service}.svg"
                    looker = await asyncio.create_subprocess_exec(
                        *("py-spy", "record", "--pid", str(pid), "--format", "flamegraph", "--function"),
                        *("--rate", str(_A_SECOND), "--duration", str(_SECONDS), "--output", str(picture)),
                        stdout=asyncio.subprocess.DEVNULL,
                        stderr=asyncio.subprocess.PIPE,
                    )
                    looking = asyncio.create_task(looker.communicate())
                    while not looking.done():
                        await driver.closed_loop(2_000, connections)
                    if looker.returncode:
                        say(f"no picture of {service}: {(await looking)[1].decode()[-300:]}")
                        return 1
                    sizes[picture] = picture.stat().st_size
    for picture, size in sizes.items():
        print(f"{picture}: {size:,} bytes")
    return int(max(sizes.values()) > MOST_BYTES)

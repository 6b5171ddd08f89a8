"""From a name to its addresses, by the system's resolver."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final

from job_worker.outbound.addresses import Address

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""Gives the addresses of a name, the best first; `OSError` if there are none."""

_AT_ONCE: Final = 16


class SystemResolver:
    """Asks as every program of the machine does, in threads of its own.

    The loop's own way shares a few threads with the reconnects of Kafka's and MongoDB's
    clients: names whose servers keep silent would hold those up. Enter it as a context.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="resolver")

    def __enter__(self) -> "SystemResolver":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, host: str) -> Sequence[Address]:
        """Return the addresses of a name."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
        return list(dict.fromkeys(found))


def _look_up(host: str) -> list[Address]:
    return [ip_address(place[4][0]) for place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]

"""The loop in which the proxies of a fault live."""

import asyncio
import socket

import pytest

from tests.support.hops import Hops


def test_connections_that_a_failed_test_has_left_open_end_with_the_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Hops() as hops:
        hop = hops.open(server.getsockname()[1])
        left = socket.create_connection(("127.0.0.1", hop.port))
        served, _ = server.accept()
    with left, served:
        left.settimeout(5)
        with pytest.raises(ConnectionError):
            _until_end(left)


def test_a_task_of_the_loop_does_not_outlive_it() -> None:
    ended: list[str] = []

    async def stands_still() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def begin() -> None:
        tasks.append(asyncio.create_task(stands_still()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    with Hops() as hops:
        hops.run(begin())
    assert ended == ["cancelled"]


def _until_end(connection: socket.socket) -> None:
    while connection.recv(1_000):
        pass
    raise ConnectionResetError("ended in order")

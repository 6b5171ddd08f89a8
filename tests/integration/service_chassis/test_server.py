"""What becomes of those who call a server just when it goes."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import uvloop

from service_chassis.server import HttpServer, Receive, Scope, Send

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
BUSY = 0.3
"""Seconds for which the loop does something else: far longer than the server takes to go."""


async def hello(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def caller(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def answer(connection: socket.socket) -> bytes:
    """Whatever comes until the server ends the connection."""
    came = b""
    while more := connection.recv(4096):
        came += more
    return came


def when_read(busy: Callable[[], None]) -> socket.socket:
    """Send something into the socket, and the loop is busy: from when it reads to when it looks at its timers."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()

    def read() -> None:
        loop.remove_reader(theirs)
        theirs.close()
        busy()

    loop.add_reader(theirs, read)
    return ours


def in_uvloop(story: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
    """As in the services: it looks at its timers before it looks at its sockets."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(story())


def test_who_has_come_while_the_loop_was_busy_is_answered_before_the_server_goes() -> None:
    async def story() -> bytes:
        loop, callers = asyncio.get_running_loop(), []

        def busy() -> None:
            callers.append(connection := caller(server))
            connection.sendall(REQUEST)
            time.sleep(BUSY)

        async with (
            HttpServer(hello, host="127.0.0.1", port=0, name="test") as server,
            server.going_unnoticed(linger := timedelta(seconds=0.1)),
        ):
            loop.call_later(linger.total_seconds() / 2, when_read(busy).send, b"now")
        return await asyncio.to_thread(answer, callers[0])

    assert in_uvloop(story).endswith(b"hello")


def test_a_request_on_an_old_connection_that_was_not_read_yet_is_answered_before_the_server_goes() -> None:
    async def story() -> bytes:
        async with HttpServer(hello, host="127.0.0.1", port=0, name="test") as server:
            connection = await asyncio.to_thread(caller, server)
            connection.sendall(REQUEST)
            first = await asyncio.to_thread(connection.recv, 4096)
            assert first.endswith(b"hello")

            def busy() -> None:
                connection.sendall(REQUEST)
                time.sleep(BUSY)

            when_read(busy).send(b"now")
        return await asyncio.to_thread(answer, connection)

    assert in_uvloop(story).endswith(b"hello")


def test_who_was_let_in_and_asks_a_little_later_is_answered_before_the_server_goes() -> None:
    async def story() -> bytes:
        async with (
            HttpServer(hello, host="127.0.0.1", port=0, name="test") as server,
            server.going_unnoticed(timedelta(0)),
        ):
            connection = await asyncio.to_thread(caller, server)
            asyncio.get_running_loop().call_later(BUSY, connection.sendall, REQUEST)
        return await asyncio.to_thread(answer, connection)

    assert in_uvloop(story).endswith(b"hello")


def test_who_comes_after_the_server_has_gone_unnoticed_is_refused_at_once() -> None:
    async def story() -> bytes:
        async with HttpServer(hello, host="127.0.0.1", port=0, name="test") as server:
            async with server.going_unnoticed(timedelta(0)):
                pass
            try:
                await asyncio.to_thread(caller, server)
            except ConnectionRefusedError:
                return b"refused"
        return b"taken"

    assert in_uvloop(story) == b"refused"

"""Each thing a proxy can do to a connection, on sockets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.proxy import Proxy
from tests.support.waiting import until_true

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that gives back what it gets, and counts it."""

    def __init__(self) -> None:
        self.got = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.got += data
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


async def connected(proxy: Proxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def asked(streams: Streams, data: bytes, *, within: float = 10) -> float:
    """Send something, read it back, return the seconds it took."""
    reader, writer = streams
    began = time.monotonic()
    writer.write(data)
    await writer.drain()
    async with asyncio.timeout(within):
        assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began


async def test_an_open_proxy_passes_everything_on(proxy: Proxy) -> None:
    streams = await connected(proxy)
    await asked(streams, b"hello" * 100_000)
    streams[1].write_eof()
    assert await streams[0].read() == b"", "an end is passed on as well"


async def test_a_delay_comes_once_in_each_direction_and_keeps_the_order(proxy: Proxy) -> None:
    streams = await connected(proxy)
    proxy.delay(0.2, 0.1)
    for data in (b"one", b"two"):
        assert await asked(streams, data) >= 0.2
    streams[1].writelines([b"%d," % n for n in range(50)])
    assert (await streams[0].readuntil(b"49,")).split(b",")[:-1] == [b"%d" % n for n in range(50)]


async def test_a_throttled_connection_takes_its_time(proxy: Proxy) -> None:
    streams = await connected(proxy)
    proxy.throttle(20_000)
    assert await asked(streams, b"x" * 10_000) >= 0.4


async def test_a_reset_storm_cuts_connections_again_and_again(proxy: Proxy) -> None:
    proxy.reset_every(0.05)
    for _ in range(3):
        reader, _ = await connected(proxy)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)


async def test_a_cut_answer_leaves_what_was_asked_done(proxy: Proxy, echo: Echo) -> None:
    streams = await connected(proxy)
    await asked(streams, b"before")
    proxy.cut_answers(3)
    streams[1].write(b"write this")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].readexactly(10), 5)
    assert echo.got == b"beforewrite this"


async def test_a_black_hole_accepts_and_answers_nothing_until_it_is_healed(proxy: Proxy) -> None:
    old = await connected(proxy)
    await asked(old, b"x")
    proxy.silence()
    for streams in (old, await connected(proxy)):
        with pytest.raises(TimeoutError):
            await asked(streams, b"lost?", within=0.2)
    await proxy.heal()
    assert await asyncio.wait_for(old[0].readexactly(5), 5) == b"lost?", "what was held back goes out"


async def test_a_refusing_proxy_is_a_closed_port(proxy: Proxy) -> None:
    reader, _ = await connected(proxy)
    await until_true(lambda: proxy.accepted == 1, within=5, what="the connection to be accepted")
    await proxy.refuse()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    with pytest.raises(ConnectionRefusedError):
        await connected(proxy)


@pytest.mark.parametrize("fault", ["delay", "throttle", "cut_answers", "reset_every", "refuse", "silence"])
async def test_a_healed_proxy_is_as_good_as_new(proxy: Proxy, fault: str) -> None:
    match fault:
        case "delay":
            proxy.delay(5)
        case "throttle":
            proxy.throttle(10)
        case "cut_answers":
            proxy.cut_answers()
        case "reset_every":
            proxy.reset_every(0.01)
        case "refuse":
            await proxy.refuse()
        case _:
            proxy.silence()
    await proxy.heal()
    assert await asked(await connected(proxy), b"well" * 1_000) < 2

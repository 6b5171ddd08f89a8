"""Many readers of one stream, each a bare socket that does as a browser does: it comes back when it was told to.

async with Crowd(product.stack.api_urls, "/events", count=300) as crowd:
    await product.stack.kill("api-1")
    await crowd.know(job, "succeeded", within=15)
"""

import asyncio
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final, Self

import httpx

from tests.support.events import Moment
from tests.support.lists import listed
from tests.support.waiting import until_true

_JOB: Final = re.compile(
    rb'"id":"([0-9a-f-]{36})","task":"[^"]*","state":"(\w+)".*?"version":(\d+),"revision":(\d+)'
)
_AT_ONCE: Final = 50
"""Connections opened at a time."""


class Reader(asyncio.Protocol):
    """One of them, over all its connections."""

    def __init__(self, crowd: "Crowd", number: int) -> None:
        self._crowd, self.number = crowd, number
        self._buffer = b""
        self._transport: Any = None
        self.newest: dict[str, tuple[Moment, str]] = {}
        self.heard: Counter[str] = Counter()
        """Events by name."""
        self.connections = 0
        self.went_back = 0
        """How often, within one connection, something old came after something new."""
        self.last_id = b""
        self.retry = 0.0
        self.is_open = False
        self._of_connection: dict[str, Moment] = {}

    def ask(self, host: str, path: str) -> bytes:
        """What it sends first."""
        back = b"last-event-id: %s\r\n" % self.last_id if self.last_id else b""
        return b"GET %s HTTP/1.1\r\nhost: %s\r\n%s\r\n" % (path.encode(), host.encode(), back)

    def connection_made(self, transport: Any) -> None:
        self._transport, self._buffer, self._of_connection = transport, b"", {}
        self.connections += 1
        self.is_open = True

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        self._crowd.lost(self)

    def cut(self) -> None:
        """Lose the connection."""
        if self._transport is not None:
            self._transport.abort()

    def stall(self) -> None:
        """Read no more."""
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        *frames, self._buffer = (self._buffer + data).split(b"\n\n")
        for frame in frames:
            # A chunk is as long as a write, so the length of one stands before a frame and never in it.
            self._take(frame.rpartition(b"\r\n")[2])

    def _take(self, frame: bytes) -> None:
        if frame.startswith(b"id: "):
            self.last_id = frame[4:]
        elif frame.startswith(b"retry: "):
            self.retry = int(frame[7:]) / 1000
        elif frame.startswith(b"event: "):
            name, _, rest = frame[7:].partition(b"\n")
            self.heard[name.decode()] += 1
            if name == b"job" and (match := _JOB.search(rest)):
                job, state, version, revision = match.groups()
                self._learn(job.decode(), (int(version), int(revision)), state.decode())
            elif name == b"bye":
                self.retry = int(re.sub(rb"\D", b"", rest)) / 1000
            elif name == b"reset":
                self._crowd.read_list(self)

    def _learn(self, job: str, moment: Moment, state: str) -> None:
        if moment <= self._of_connection.get(job, (0, 0)):
            self.went_back += 1
        self._of_connection[job] = moment
        self.learn(job, moment, state)
        if moment == (1, 0):
            self._crowd.arrivals.append((job, time.monotonic()))

    def learn(self, job: str, moment: Moment, state: str) -> None:
        """Keep what is newer."""
        if moment > self.newest.get(job, ((0, 0), ""))[0]:
            self.newest[job] = moment, state


class Crowd:
    """Readers that are there while the context lasts.

    Parameters
    ----------
    urls
        Replicas; who loses one goes to the next.
    replica
        Which one all begin with, from 1; None spreads them.
    buffer
        Bytes the kernel may keep for each, if it is to keep few.
    """

    def __init__(
        self,
        urls: Sequence[str],
        path: str = "/events",
        *,
        count: int,
        replica: int | None = None,
        comes_back: bool = True,
        buffer: int | None = None,
    ) -> None:
        self._urls = [httpx.URL(url) for url in urls]
        self._path, self._replica, self._comes_back, self._buffer = path, replica, comes_back, buffer
        self.readers = [Reader(self, number) for number in range(count)]
        self.arrivals: list[tuple[str, float]] = []
        """When each reader heard of each new job."""
        self.lost_at: list[float] = []
        self.returned_at: list[float] = []
        """When connections were lost, and when readers tried to come back."""
        self.lists = 0
        """Lists read after a reset."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False

    async def __aenter__(self) -> Self:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def come(reader: Reader) -> None:
            async with gate:
                await self._connect(reader, (self._replica or reader.number + 1) - 1)

        await asyncio.gather(*map(come, self.readers))

        def look() -> bool:
            waiting = [reader.number for reader in self.readers if not reader.retry and reader.is_open]
            assert not waiting, (
                f"{len(waiting)} wait, {self.open} are open, {self.heard('busy')} were sent away"
            )
            return True

        await until_true(look, within=30, what="all to be let in or sent away")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for reader in self.readers:
            reader.cut()

    # --- what they heard
    def heard(self, name: str) -> int:
        """Readers that have heard an event of this name."""
        return sum(name in reader.heard for reader in self.readers)

    @property
    def went_back(self) -> int:
        return sum(reader.went_back for reader in self.readers)

    @property
    def open(self) -> int:
        """Readers that are connected."""
        return sum(reader.is_open for reader in self.readers)

    def returns_per_second(self) -> list[int]:
        """Attempts to come back in each second since the first connection was lost."""
        seconds = Counter(int(at - self.lost_at[0]) for at in self.returned_at)
        return [seconds[second] for second in range(max(seconds, default=-1) + 1)]

    async def know(self, truth: Collection[tuple[str, Moment, str]], *, within: float) -> None:
        """Wait until every reader knows all these jobs as they are."""

        def look() -> bool:
            for reader in self.readers:
                wrong = [job for job, moment, state in truth if reader.newest.get(job) != (moment, state)]
                assert not wrong, f"{len(wrong)} of {len(truth)} at {reader.number}, open {reader.is_open}"
            return True

        await until_true(look, within=within, what="every reader to know the truth", every=0.1)

    # --- coming and going
    async def _connect(self, reader: Reader, turn: int) -> None:
        url = self._urls[turn % len(self._urls)]
        sock = socket.socket()
        if self._buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(10):
                await loop.sock_connect(sock, (url.host, url.port))
                transport, _ = await loop.create_connection(lambda: reader, sock=sock)
        except (OSError, TimeoutError):
            sock.close()
            raise
        transport.write(reader.ask(url.host, self._path))

    def lost(self, reader: Reader) -> None:
        """Its connection is gone."""
        self.lost_at.append(time.monotonic())
        if self._comes_back and not self._leaving:
            self._spawn(self._come_back(reader))

    async def _come_back(self, reader: Reader) -> None:
        turn = reader.number + (self._replica or 1)
        while True:
            await asyncio.sleep(reader.retry or 1)
            self.returned_at.append(time.monotonic())
            try:
                await self._connect(reader, turn)
            except (OSError, TimeoutError):
                turn += 1
                reader.retry = random.uniform(0.5, 3)
                continue
            return

    def read_list(self, reader: Reader) -> None:
        """Have a reader read anew, as a reset asks for."""
        self.lists += 1
        self._spawn(self._read_list(reader))

    async def _read_list(self, reader: Reader) -> None:
        async for view in listed([str(url) for url in self._urls]):
            reader.learn(view["id"], (view["version"], view["revision"]), view["state"])

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

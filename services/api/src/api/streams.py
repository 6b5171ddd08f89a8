"""The open streams of this replica, at their thin edge: caps, deadlines, and a good end. Ready bytes go to bare ASGI.

No stream waits for ever on a reader that takes nothing, or is gone without a word; every stream
ends of itself in time; none takes what POST and the health checks need.
"""

import asyncio
import ipaddress
import random
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from api import sse
from api.fanout import Mailbox
from api.settings import StreamSettings
from service_chassis.descriptors import holds_one_of_the_last
from service_chassis.server import Scope, Send

_SEND_BUFFER: Final = 64 * 1024
_SLICE: Final = 64 * 1024
"""Bytes of a replay that are made ready for one reader at a time."""
_WRITE_BUFFER: Final = 16 * 1024
_TURNS: Final = 20
"""Parts of the streams that are looked after one after the other in a second: all at once would hold up POSTs."""


@dataclass(eq=False, slots=True)
class Stream:
    """One open stream, as the pulse looks after it."""

    mailbox: Mailbox
    address: str
    ends_at: float
    beat: int
    transport: Any
    task: asyncio.Task[Any] | None
    send: Send
    sending_since: float | None = None
    wants_beat: bool = False
    is_closed: bool = False
    bye: bool = False
    cut: bool = False

    async def write_all(self, parts: Iterable[bytes], last: bytes = b"") -> None:
        """Send parts in slices, each taken before the next is made: they are shared, a slice is not."""
        piece, size = [], 0
        for part in parts:
            piece.append(part)
            size += len(part)
            if size >= _SLICE:
                await self.write(b"".join(piece))
                if self.is_closed:
                    return
                piece, size = [], 0
        await self.write(b"".join(piece) + last)

    async def write(self, body: bytes) -> None:
        """Send bytes; ended by the pulse if the reader does not take them in time."""
        self.sending_since = time.monotonic()
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        self.sending_since = None


class Streams:
    """All live streams of this replica; a part of the service, ended before the server is."""

    def __init__(self, *, settings: StreamSettings) -> None:
        self._settings = settings
        self._open: set[Stream] = set()
        self._turns: tuple[set[Stream], ...] = tuple(set() for _ in range(_TURNS))
        self._addresses: Counter[str] = Counter()
        self._closing = False
        self._beats = max(1, round(settings.heartbeat.total_seconds()))
        self._deadline = settings.send_deadline.total_seconds()
        self._pulse_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Streams":
        self._pulse_task = asyncio.create_task(self._pulse(), name="stream-pulse")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for stream in self._open:
            stream.bye = True
            stream.mailbox.wake()
        tasks = [stream.task for stream in self._open if stream.task]
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        for stream in list(self._open):
            self._cut(stream)
        if self._pulse_task:
            self._pulse_task.cancel()

    def __len__(self) -> int:
        return len(self._open)

    async def serve(
        self, scope: Scope, send: Send, mailbox: Mailbox, follow: Callable[[Stream], Awaitable[None]]
    ) -> None:
        """Open the response, let `follow` fill it, look after it, and close it whatever happens."""
        address = _address_of(scope)
        transport = scope.get("extensions", {}).get("transport")
        await send({"type": "http.response.start", "status": 200, "headers": sse.HEADERS})
        if self._closing or self._is_full(address, transport):
            await send({"type": "http.response.body", "body": sse.bye() if self._closing else sse.BUSY})
            return
        stream = Stream(
            mailbox=mailbox,
            address=address,
            ends_at=time.monotonic() + self._settings.life.total_seconds() * random.uniform(0.8, 1),
            beat=random.randrange(self._beats),
            transport=transport,
            task=asyncio.current_task(),
            send=send,
        )
        _bound_buffers(transport)
        self._open.add(stream)
        turn = min(self._turns, key=len)
        turn.add(stream)
        self._addresses[address] += 1
        try:
            await stream.write(sse.retry())
            await follow(stream)
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            # Cut by the pulse, which has closed the connection: nobody is left to be told.
            if not stream.cut:
                raise
        finally:
            self._open.discard(stream)
            turn.discard(stream)
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _is_full(self, address: str, transport: Any) -> bool:
        if len(self._open) >= self._settings.most or holds_one_of_the_last(transport):
            return True
        return not _is_loopback(address) and self._addresses[address] >= self._settings.most_per_address

    async def _pulse(self) -> None:
        """One look a second at every stream is cheaper than timers and a listener for each."""
        second = 0
        while True:
            second += 1
            for turn in self._turns:
                await asyncio.sleep(1 / _TURNS)
                now = time.monotonic()
                for stream in list(turn):
                    self._look_after(stream, now, beats=second % self._beats == stream.beat)

    def _look_after(self, stream: Stream, now: float, *, beats: bool) -> None:
        if stream.transport is not None and stream.transport.is_closing():
            stream.is_closed = True
        elif stream.sending_since is not None and now - stream.sending_since > self._deadline:
            self._cut(stream)
        elif now >= stream.ends_at:
            stream.bye = True
        elif beats:
            stream.wants_beat = True
        else:
            return
        stream.mailbox.wake()

    def _cut(self, stream: Stream) -> None:
        stream.cut = stream.is_closed = True
        if stream.transport is not None:
            # A close would wait for the reader to take what is buffered, which it does not.
            stream.transport.abort()
        if stream.task is not None:
            stream.task.cancel()


def _bound_buffers(transport: Any) -> None:
    # For a reader that stands still the kernel would take megabytes, and the loop 64 KiB.
    if transport is None:
        return
    transport.set_write_buffer_limits(high=_WRITE_BUFFER)
    if (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def _address_of(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False

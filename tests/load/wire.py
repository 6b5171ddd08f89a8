"""The two kinds of connection a load needs: one that posts, one that listens.

Plain asyncio protocols over httptools, because an HTTP client library costs more CPU a
request than the service under test, and would be what is measured.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import httptools
import msgspec

FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})


class WireError(Exception):
    """The server closed a connection, or answered what it should not."""


class Address:
    """Where the api listens, from a URL such as `http://127.0.0.1:8000`."""

    def __init__(self, url: str) -> None:
        parsed = httptools.parse_url(url.encode())
        self.host = parsed.host.decode()
        self.port = parsed.port or 80
        self.name = f"{self.host}:{self.port}".encode()

    def post(self, path: str, body: bytes) -> bytes:
        """Return the bytes of a request that posts JSON."""
        head = b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return head % (path.encode(), self.name, len(body)) + body

    def listen(self, path: str) -> bytes:
        """Return the bytes of a request for an event stream."""
        head = b"GET %b HTTP/1.1\r\nhost: %b\r\naccept: text/event-stream\r\n\r\n"
        return head % (path.encode(), self.name)


class Poster(asyncio.Protocol):
    """A kept-alive connection that carries one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def open(cls, address: Address) -> "Poster":
        """Connect."""
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, address.host, address.port))[1]

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return status and body of the answer."""
        if self._transport is None or self._transport.is_closing():
            raise WireError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # --- what asyncio calls
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WireError(f"closed before the answer: {exc}"))

    # --- what httptools calls
    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, self._body = b"".join(self._body), []
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, body))


class _Seen(msgspec.Struct):
    """What of a job's view matters here."""

    id: str = ""
    state: str = ""


class Listener(asyncio.Protocol):
    """One event stream; tells the id of each job that has reached its end."""

    def __init__(self, request: bytes, ended: Callable[[str], None]) -> None:
        self._request = request
        self._ended = ended
        self._rest = b""
        self._parser = httptools.HttpResponseParser(self)
        self._decode = msgspec.json.Decoder(_Seen).decode
        self._transport: asyncio.WriteTransport | None = None
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, address: Address, path: str, ended: Callable[[str], None]) -> "Listener":
        """Connect and wait until the stream has begun."""
        loop = asyncio.get_running_loop()
        request = address.listen(path)
        _, listener = await loop.create_connection(lambda: cls(request, ended), address.host, address.port)
        async with asyncio.timeout(10):
            if (status := await listener.answered) != 200:
                raise WireError(f"GET {path} answered {status}")
        return listener

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # --- what asyncio calls
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    # --- what httptools calls
    def on_headers_complete(self) -> None:
        self.answered.set_result(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        frames = (self._rest + body).split(b"\n\n")
        self._rest = frames.pop()
        for frame in frames:
            # Only the end of a job matters: other events are not worth decoding.
            fields = dict(line.partition(b":")[::2] for line in frame.split(b"\n"))
            if fields.get(b"event", b"").strip() != b"job":
                continue
            job = self._decode(fields[b"data"])
            if job.state in FINAL:
                self._ended(job.id)

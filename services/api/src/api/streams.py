"""Live streams at their thin edge: mailboxes in, server-sent events out on bare ASGI.

The rules are those of design/2-streams: subscribe, then read, then send what is newer; no
stream waits for ever on a reader that takes nothing; every stream ends of itself in time.
"""

import asyncio
import contextlib
import ipaddress
import random
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from api.fanout import Filters, Hub, Mailbox
from api.live_event import LiveEvent, Moment, frame
from api.problems import job_not_found
from api.settings import OWNER, StreamSettings
from job_contracts.messages import is_job_id
from job_contracts.record import INLINE_LIMIT
from service_chassis.server import Receive, Scope, Send

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_END: Final = frame("end", b"{}")
_BUSY: Final = b"retry: 30000\n\n" + frame("busy", b"{}")
_MOMENT: Final = re.compile(r"(\d{1,15})\.(\d{1,15})")
_SEND_BUFFER: Final = 64 * 1024


class StreamStore(Protocol):
    """Where a watched job is read from."""

    async def job(self, job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        """Return a job."""

    async def result(self, record: Mapping[str, Any], *, limit: int | None = None) -> bytes | None:
        """Return the true result of a job."""


@dataclass(eq=False)
class Stream:
    """One open stream, as the pulse looks after it."""

    mailbox: Mailbox
    address: str
    ends_at: float
    beat: int
    transport: Any = None
    task: asyncio.Task[Any] | None = None
    sending_since: float | None = None
    wants_beat: bool = False
    is_closed: bool = False
    bye: bool = False
    cut: bool = field(default=False, repr=False)


class Streams:
    """All live streams of this replica; a part of the service, ended before the server is."""

    def __init__(self, *, hub: Hub, store: StreamStore, settings: StreamSettings) -> None:
        self._hub = hub
        self._store = store
        self._settings = settings
        self._open: set[Stream] = set()
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

    async def of_job(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve GET /jobs/{job_id}/events."""
        job_id = scope["path_params"]["job_id"]
        if not is_job_id(job_id):
            raise job_not_found(job_id)
        mailbox = Mailbox(room=self._settings.mailbox, after=_moment_of(_last_event_id(scope)))
        self._hub.watch(job_id, mailbox)
        try:
            record = await self._store.job(job_id, owner=OWNER)
            if record is None:
                raise job_not_found(job_id)
            snapshot = LiveEvent.of_record(record, await self._store.result(record, limit=INLINE_LIMIT))
            mailbox.put(snapshot)
            if snapshot.is_final:
                mailbox.end()
            async with self._stream(scope, receive, send, mailbox) as stream:
                if stream is not None:
                    await self._follow_one(stream, send)
        finally:
            self._hub.unwatch(job_id, mailbox)

    async def of_many(self, scope: Scope, receive: Receive, send: Send, filters: Filters) -> None:
        """Serve GET /events."""
        mailbox = Mailbox(room=self._settings.mailbox)
        self._hub.follow(OWNER, filters, mailbox)
        try:
            async with self._stream(scope, receive, send, mailbox) as stream:
                if stream is None:
                    return
                if _last_event_id(scope) is not None:
                    await _write(stream, send, _reset("no replay: read GET /jobs"))
                await self._follow_many(stream, send)
        finally:
            self._hub.unfollow(OWNER, mailbox)

    async def _follow_one(self, stream: Stream, send: Send) -> None:
        mailbox = stream.mailbox
        while not stream.is_closed:
            if not mailbox.is_empty or mailbox.ended:
                events = mailbox.take()
                for event in events:
                    mailbox.skip_until(event.moment)
                over = mailbox.ended or any(event.is_final for event in events)
                await _write(stream, send, b"".join(e.whole for e in events) + (_END if over else b""))
                if over:
                    return
            if await self._said_bye(stream, send):
                return
            await mailbox.wait()

    async def _follow_many(self, stream: Stream, send: Send) -> None:
        mailbox = stream.mailbox
        while not stream.is_closed:
            if mailbox.overflowed:
                mailbox.overflowed = False
                await _write(stream, send, _reset("too slow: read GET /jobs"))
            if not mailbox.is_empty:
                await _write(stream, send, b"".join([event.listed for event in mailbox.take()]))
                continue
            if await self._said_bye(stream, send):
                return
            await mailbox.wait()

    async def _said_bye(self, stream: Stream, send: Send) -> bool:
        if stream.bye:
            await _write(stream, send, _bye())
            return True
        if stream.wants_beat:
            stream.wants_beat = False
            at = msgspec.json.encode({"at": time.time()})
            await _write(stream, send, frame("heartbeat", at))
        return False

    @contextlib.asynccontextmanager
    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, mailbox: Mailbox
    ) -> AsyncIterator[Stream | None]:
        """Open the response, look after it, and close it whatever happens; None if there is no room."""
        address = _address_of(scope)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if self._closing or self._is_full(address):
            await send({"type": "http.response.body", "body": _bye() if self._closing else _BUSY})
            yield None
            return
        now = time.monotonic()
        stream = Stream(
            mailbox=mailbox,
            address=address,
            ends_at=now + self._settings.life.total_seconds() * random.uniform(0.8, 1),
            beat=random.randrange(self._beats),
            transport=scope.get("extensions", {}).get("transport"),
            task=asyncio.current_task(),
        )
        _bound_buffers(stream.transport)
        self._open.add(stream)
        self._addresses[address] += 1
        leaving = asyncio.create_task(_disconnected(receive, stream))
        try:
            await _write(stream, send, b"retry: %d\n\n" % random.randint(1_000, 3_000))
            yield stream
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            # Cut by the pulse, which has closed the connection: nobody is left to be told.
            if not stream.cut:
                raise
        finally:
            leaving.cancel()
            self._open.discard(stream)
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _is_full(self, address: str) -> bool:
        if len(self._open) >= self._settings.most:
            return True
        return not _is_loopback(address) and self._addresses[address] >= self._settings.most_per_address

    async def _pulse(self) -> None:
        """One look a second at every stream is cheaper than three timers for each."""
        second = 0
        while True:
            await asyncio.sleep(1)
            second += 1
            now = time.monotonic()
            for stream in list(self._open):
                if stream.sending_since is not None and now - stream.sending_since > self._deadline:
                    self._cut(stream)
                elif now >= stream.ends_at:
                    stream.bye = True
                    stream.mailbox.wake()
                elif second % self._beats == stream.beat:
                    stream.wants_beat = True
                    stream.mailbox.wake()

    def _cut(self, stream: Stream) -> None:
        stream.cut = stream.is_closed = True
        if stream.transport is not None:
            # A close would wait for the reader to take what is buffered, which it does not.
            stream.transport.abort()
        if stream.task is not None:
            stream.task.cancel()


async def _write(stream: Stream, send: Send, body: bytes) -> None:
    stream.sending_since = time.monotonic()
    await send({"type": "http.response.body", "body": body, "more_body": True})
    stream.sending_since = None


async def _disconnected(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    stream.is_closed = True
    stream.mailbox.wake()


def _bound_buffers(transport: Any) -> None:
    # The kernel would take megabytes for a reader that stands still.
    if transport is not None and (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def _bye() -> bytes:
    return frame("bye", b'{"retry":%d}' % random.randint(500, 5_000))


def _reset(reason: str) -> bytes:
    return frame("reset", msgspec.json.encode({"reason": reason}))


def _last_event_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            return str(value.decode("latin-1"))
    return None


def _moment_of(event_id: str | None) -> Moment:
    match = _MOMENT.fullmatch(event_id or "")
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def _address_of(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False

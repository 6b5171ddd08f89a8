"""How a service lives: parts that start together, an ops port, and an end on SIGTERM."""

import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import termios
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service_chassis.descriptors import allow_all, is_among_the_last
from service_chassis.health import Health
from service_chassis.memory import give_back_memory
from service_chassis.metrics import CONTENT_TYPE, Metrics
from service_chassis.settings import OpsSettings

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


_UNACKNOWLEDGED: Final = timedelta(seconds=25)
"""What a client has not acknowledged after this ends its connection: together with a heartbeat of 15 s, a
client whose network is gone without a word is noticed within 45 s. The kernel alone would try for 15 minutes."""

_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux alone has it

KEPT_ALIVE: Final = 75
"""Seconds for which a connection that asks for nothing is kept: longer than balancers keep theirs by default."""

SPARED: Final = 80
"""File descriptors that the public server leaves to health checks, MongoDB and Kafka."""


class HttpServer:
    """A uvicorn server as a part of a service: it listens while its context lasts.

    uvicorn's own signal handling waits for ever for open streams, so it is not used: on
    exit the server stops accepting, and what is still open after `drain` is cut.

    Parameters
    ----------
    spared
        File descriptors it leaves to others: a connection that would take one of the last is closed.
    trusted_proxies
        Addresses or networks, by commas, that may say by `X-Forwarded-For` who the client is.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        host: str,
        port: int,
        name: str,
        drain: timedelta = timedelta(seconds=2),
        spared: int = SPARED,
        trusted_proxies: str = "",
    ) -> None:
        self._host, self._port, self._name, self._drain = host, port, name, drain
        self._leaving = asyncio.Event()
        config = uvicorn.Config(
            app,
            http=partial(_Connection, leaving=self._leaving, spared=spared),  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            timeout_keep_alive=KEPT_ALIVE,
            timeout_graceful_shutdown=max(1, round(drain.total_seconds())),
            backlog=2048,
        )
        self._server = _QuietServer(config)
        self._listener: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = port

    async def __aenter__(self) -> "HttpServer":
        self._listener = listener = _listen(self._host, self._port)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name=f"http-{self._name}")
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.01)
        log.info("http.listening", extra={"server": self._name, "host": self._host, "port": self.port})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving.set()
        self._server.should_exit = True
        if self._task:
            await self._task

    @asynccontextmanager
    async def going_unnoticed(self, linger: timedelta) -> AsyncIterator[None]:
        """Before anything else ends, let those that call find other replicas: a part of its own.

        For a while the server goes on as before, but each answer ends its connection; then it
        takes no new ones. A caller who tries is refused at once and may ask elsewhere without
        fear that something has happened twice.
        """
        yield
        self._leaving.set()
        await asyncio.sleep(linger.total_seconds())
        if self._listener is not None:
            # Closed at once, the system would reset those that it has let in and the loop has not seen yet.
            self._listener.listen(0)
            await asyncio.sleep(_LAST_CALLERS)
        for server in self._server.servers:
            server.close()
        patience = time.monotonic() + _FIRST_REQUEST
        while self._awaits_a_first_request() and time.monotonic() < patience:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(_LAST_CALLERS)

    def _awaits_a_first_request(self) -> bool:
        """Whether somebody has been let in whose request is still on its way."""
        connections = self._server.server_state.connections
        return any(isinstance(one, _Connection) and one.cycle is None for one in connections)


_LAST_CALLERS: Final = 0.05
"""Seconds in which the loop takes up who has come already, while nobody else is let in."""

_FIRST_REQUEST: Final = 1.0
"""Seconds a caller has between being let in and asking: a way around the world, twice."""


class _Connection(HttpToolsProtocol):
    """A connection whose transport the app can reach, and which says in JSON what it cannot read.

    The transport stands in `scope["extensions"]["transport"]`: without it a reader that takes
    nothing cannot be cut off, as a close waits for it to take what is buffered.
    """

    def __init__(self, *args: Any, leaving: asyncio.Event, spared: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._leaving, self._spared = leaving, spared

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, unless it takes a descriptor that others need."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if is_among_the_last(self._spared, sock.fileno()):
            transport.abort()
        elif _USER_TIMEOUT is not None:
            sock.setsockopt(
                socket.IPPROTO_TCP, _USER_TIMEOUT, round(_UNACKNOWLEDGED / timedelta(milliseconds=1))
            )

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        super().on_headers_complete()
        if self._leaving.is_set():
            self.cycle.keep_alive = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {"transport": self.transport}  # type: ignore[dict-item]

    def shutdown(self) -> None:
        """End it, unless a request has come that the loop has not read yet: that one is answered first."""
        if not self._has_unread():
            super().shutdown()

    def _has_unread(self) -> bool:
        if self.transport.is_closing():
            return False
        unread = array("i", [0])
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, unread)
        return unread[0] > 0

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        problem = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": msg}
        body = msgspec.json.encode(problem)
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        self.transport.close()


class _QuietServer(uvicorn.Server):
    """Leaves the process's signals to `Service`."""

    def capture_signals(self) -> Any:
        """Return a context that captures nothing."""
        return nullcontext()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def ops_server(settings: OpsSettings, *, health: Health, metrics: Metrics) -> HttpServer:
    """Return the server of /livez, /readyz and /metrics."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        path = scope.get("path")
        if path == "/livez":
            await _answer(send, 200, b'{"status":"alive"}')
        elif path == "/readyz":
            ready, body = health.readiness()
            await _answer(send, 200 if ready else 503, msgspec.json.encode(body))
        elif path == "/metrics":
            await _answer(send, 200, metrics.text(), CONTENT_TYPE)
        else:
            await _answer(send, 404, b'{"error":"try /livez, /readyz or /metrics"}')

    return HttpServer(
        app, host=settings.host, port=settings.port, name="ops", drain=timedelta(seconds=1), spared=0
    )


async def _answer(send: Send, status: int, body: bytes, content_type: str = "application/json") -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


Part = AbstractAsyncContextManager[Any]


class Grace:
    """The time a service has from the first SIGTERM to its end, shared by its parts."""

    def __init__(self, whole: timedelta) -> None:
        self._whole = whole.total_seconds()
        self._end: float | None = None

    def begin(self) -> None:
        """The time runs from now on."""
        self._end = time.monotonic() + self._whole

    def left(self, *, but: timedelta = timedelta(0)) -> float:
        """Return the seconds that are left, without those that others shall have."""
        left = self._whole if self._end is None else self._end - time.monotonic()
        return max(0.0, left - but.total_seconds())


class Service:
    """Parts that live together: started in order, ended in the opposite one.

    The first SIGTERM or SIGINT ends it cleanly, with exit code 0; the second at once.
    """

    def __init__(self, name: str, *, health: Health, parts: Sequence[Part], grace: Grace) -> None:
        self._name = name
        self._health = health
        self._parts = parts
        self._grace = grace
        self._stop = asyncio.Event()
        health.starting = True

    def stop(self) -> None:
        """Ask for the end, as SIGTERM does."""
        if self._stop.is_set():
            os._exit(1)
        self._health.draining = True
        self._stop.set()

    async def run(self) -> None:
        """Live until asked to end."""
        allow_all()
        give_back_memory()  # before there are threads
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with AsyncExitStack() as stack:
            for part in self._parts:
                await stack.enter_async_context(part)
            self._health.starting = False
            _collect_seldom()
            log.info("service.started", extra={"pid": os.getpid()})
            await self._stop.wait()
            log.info("service.stopping")
            self._grace.begin()
            loop.call_later(self._grace.left(), self._overdue)
        log.info("service.stopped")

    def _overdue(self) -> None:
        log.error("service.overdue")
        os._exit(1)


_COLLECT_AFTER: Final = 20_000, 20, 50
"""Net allocations before the youngest are collected, and how often that is before the older ones are."""


def _collect_seldom() -> None:
    """Leave what a service is made of out of garbage collection, and let the rest seldom be gone through.

    Nearly all that a service drops is freed by its count at once. A collection of all stops the loop for as
    long as there are objects: a tenth of a second with two thousand streams, and so often that POSTs felt it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)

"""A stand-in for any HTTP service: a real server that keeps a log of what it was asked and answers by a script.

>>> with HttpUpstream() as upstream:
...     upstream.script(answer(503, headers={"Retry-After": "2"}), answer(200, b"done"))
"""

import gzip
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.upstream_server import UpstreamHandler, UpstreamServer


@dataclass(frozen=True)
class Request:
    """A request as it came in; names of headers in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


Play = Callable[["_Handler", Request], None]


class HttpUpstream(UpstreamServer):
    """The server; enter it as a context. Without a script it answers 200 and `{"ok": true}`.

    Parameters
    ----------
    tls
        Makes it an HTTPS server; it notes the names that clients ask for.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler)
        self.requests: list[Request] = []
        self.names: list[str | None] = []
        """Names that clients asked for when TLS began (SNI)."""
        self.gone = threading.Event()
        """Set when a client has left in the middle of an answer."""
        self._script: deque[Play] = deque()
        self._lock = threading.Lock()
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https" if tls else "http"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def script(self, *plays: Play) -> None:
        """Give these answers to the next requests, in this order."""
        self._script.extend(plays)

    def take(self, request: Request) -> Play:
        """Note a request and return what is to be done."""
        with self._lock:
            self.requests.append(request)
            return self._script.popleft() if self._script else document({"ok": True})


class _Handler(UpstreamHandler):
    @property
    def upstream(self) -> HttpUpstream:
        upstream = self.server.upstream
        assert isinstance(upstream, HttpUpstream)
        return upstream

    def do_GET(self) -> None:  # noqa: N802  the name that http.server looks for
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, self.sent_headers(), body)
        try:
            self.upstream.take(request)(self, request)
        except OSError:
            self.upstream.gone.set()
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def answer(status: int = 200, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> Play:
    """Answer this."""
    return lambda handler, _: handler.answer(status, body, headers or {})


def document(value: Any, *, status: int = 200, **headers: str) -> Play:
    """Answer JSON; header names with `_` for `-`."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    body = json.dumps(value).encode()
    return answer(status, body, headers={"Content-Type": "application/json", **names})


def redirect(to: str, status: int = 302) -> Play:
    """Send the caller elsewhere."""
    return answer(status, headers={"Location": to})


def echo(status: int = 200) -> Play:
    """Repeat all that was sent, in the headers, in JSON as it is, and inside other words."""

    def play(handler: _Handler, request: Request) -> None:
        sent = request.headers.get("authorization", "")
        seen = {"headers": dict(request.headers), "said": f"you are <{sent}>", sent: 1, "url": request.target}
        headers = {"Content-Type": "application/json", "X-Request-Id": sent, "Link": f"<https://x/?t={sent}>"}
        handler.answer(status, json.dumps(seen).encode(), headers)

    return play


def slow(seconds: float, *, first: bytes = b"") -> Play:
    """Say nothing for so long, or only the beginning of a body; note when the client leaves."""

    def play(handler: _Handler, _: Request) -> None:
        if first:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(first) + 1_000_000))
            handler.end_headers()
            handler.wfile.write(first)
        until = time.monotonic() + seconds
        handler.connection.settimeout(0.05)
        while time.monotonic() < until and not handler.upstream.closing.is_set():
            try:
                if handler.connection.recv(1) == b"":
                    handler.upstream.gone.set()
                    handler.close_connection = True
                    return
            except TimeoutError:
                continue
        handler.connection.settimeout(None)
        if not first:
            handler.answer(200, b"late", {})

    return play


def drop() -> Play:
    """Close the connection without a word."""

    def play(handler: _Handler, _: Request) -> None:
        handler.close_connection = True

    return play


def gzip_bomb(size: int) -> Play:
    """A little on the wire, that many bytes when unpacked."""
    bomb = gzip.compress(bytes(size))
    return answer(200, bomb, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})

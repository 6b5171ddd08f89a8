"""What every stand-in for an upstream is built on: a real HTTP server in a thread, on a port of its own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class UpstreamServer:
    """The server; enter it as a context. What it answers is its handler's business."""

    def __init__(self, handler: "type[UpstreamHandler]") -> None:
        self.closing = threading.Event()
        self._server = Listening(self, handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        self.closing.wait(seconds)


class Listening(ThreadingHTTPServer):
    """The socket and the threads of the server."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: UpstreamServer, handler: "type[UpstreamHandler]") -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.upstream = upstream

    def handle_error(self, *_: object) -> None:
        """Say nothing: half of the scripted faults end in an error on this side too."""


class UpstreamHandler(BaseHTTPRequestHandler):
    """One connection; connections are kept, and nothing is logged but by the stand-in itself."""

    server: Listening
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def sent_headers(self) -> dict[str, str]:
        """The headers of the request, names in small letters."""
        return {name.lower(): value for name, value in self.headers.items()}

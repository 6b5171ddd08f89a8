"""A stand-in for a provider of pictures: a real HTTP server that keeps a log and plays what it is told.

>>> with StandIn(lambda request: Reply(b"hello")) as provider:
...     provider.script(Reply(b"", status=503, headers={"Retry-After": "7"}))
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from tests.support.upstream_server import UpstreamHandler, UpstreamServer


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came in."""

    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Reply:
    """What it answers; `breaks_off` after so many bytes, `waits` so many seconds before the first."""

    body: bytes
    status: int = field(default=200, kw_only=True)
    content_type: str = field(default="application/json", kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    breaks_off: int | None = field(default=None, kw_only=True)
    waits: float = field(default=0, kw_only=True)


class StandIn(UpstreamServer):
    """The server; enter it as a context.

    Parameters
    ----------
    answer
        What it answers when it is well.
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        super().__init__(_Handler)
        self.answer = answer
        self.requests: list[Request] = []
        self._script: deque[Reply] = deque()
        self._lock = threading.Lock()

    def script(self, *replies: Reply) -> None:
        """Give these answers to the next requests, in this order."""
        self._script.extend(replies)

    def asked(self, beginning: str) -> list[Request]:
        """Return the requests for paths that begin so."""
        return [request for request in self.requests if request.path.startswith(beginning)]

    def reply(self, request: Request) -> Reply:
        """Note a request and return what to answer."""
        with self._lock:
            self.requests.append(request)
            if self._script:
                return self._script.popleft()
        return self.answer(request)


class _Handler(UpstreamHandler):
    def do_GET(self) -> None:  # noqa: N802  the name that http.server looks for
        stand_in = self.server.upstream
        assert isinstance(stand_in, StandIn)
        reply = stand_in.reply(Request(target=self.path, headers=self.sent_headers()))
        stand_in.pause(reply.waits)
        self.send_response(reply.status)
        told = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body)), **reply.headers}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: reply.breaks_off])
        if reply.breaks_off is not None:
            self.close_connection = True


def photograph(number: int, size: tuple[int, int] = (1600, 1200)) -> bytes:
    """Return a JPEG that differs from number to number; it takes milliseconds to make."""
    shades = Image.linear_gradient("L").resize(size)
    hue = Image.new("L", size, (number * 37) % 256)
    data = BytesIO()
    Image.merge("RGB", (shades, hue, shades.transpose(Image.Transpose.ROTATE_180))).save(data, "JPEG")
    return data.getvalue()

"""A stand-in for Unsplash: a real HTTP server that answers `GET /search/photos` as documented.

It has a quota for each key, with its headers, that holds in every window wherever it begins. It keeps a
log of what it was asked, and plays the faults it is told to play, one a request, before it answers well again:

>>> with Unsplash(quota=50) as unsplash:
...     unsplash.script(unavailable(retry_after=7), truncated())
"""

import gzip
import json
import math
import socket
import struct
import threading
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.upstream_server import UpstreamHandler, UpstreamServer

KEY = "canary-7d1c0f5e9b-access-key"
"""The access key it knows unless it is told others."""


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    method: str
    target: str
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def key(self) -> str:
        """The access key it carries."""
        return self.headers.get("authorization", "").removeprefix("Client-ID ")

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


Answer = Callable[["_Handler"], None]


class Unsplash(UpstreamServer):
    """The server; enter it as a context.

    Parameters
    ----------
    found
        How many photographs fit any search.
    quota, window
        How many requests are answered in how much time; Unsplash's demo mode has 50 an hour.
    says_when
        Whether a refusal names when the next request is answered, which Unsplash's own does not.
    keys
        The access keys it knows.
    """

    def __init__(
        self,
        *,
        found: int = 1_000,
        quota: int = 50,
        window: timedelta = timedelta(hours=1),
        says_when: bool = False,
        keys: Collection[str] = (KEY,),
    ) -> None:
        super().__init__(_Handler)
        self.found = found
        self.keys = keys
        self.requests: list[Request] = []
        self.refused = 0
        """Requests that came when the quota was used up."""
        self.says_when = says_when
        self._quota, self._window = quota, window.total_seconds()
        self._lock = threading.Lock()
        self._script: deque[Answer] = deque()
        self._always: Answer | None = None
        self._answered: dict[str, list[float]] = defaultdict(list)

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, in this order."""
        self._script.extend(answers)

    def always(self, answer: Answer | None) -> None:
        """Give this answer to every request that the script has none for; None: be well again."""
        self._always = answer

    def take(self, request: Request) -> tuple[Answer | None, int]:
        """Note a request; return what the script has for it, and how many more the quota allows, -1 if none."""
        with self._lock:
            self.requests.append(request)
            answered = self._within(request.key, request.at)
            left = self._quota - len(answered) - 1
            if left < 0:
                self.refused += 1
            else:
                answered.append(request.at)
            return (self._script.popleft() if self._script else self._always), left

    def use_up(self, key: str = KEY) -> None:
        """Use all of the quota that is left, as another program with the same key does."""
        with self._lock:
            answered = self._within(key, now := time.monotonic())
            answered += [now] * (self._quota - len(answered))

    def window_left(self, key: str) -> float:
        """Seconds until one more request is answered."""
        with self._lock:
            now = time.monotonic()
            answered = self._within(key, now)
            return 0.0 if len(answered) < self._quota else answered[-self._quota] + self._window - now

    def _within(self, key: str, now: float) -> list[float]:
        """Return when the requests of a key came that count now; it may be added to."""
        self._answered[key] = [at for at in self._answered[key] if now - at < self._window]
        return self._answered[key]

    @property
    def quota(self) -> int:
        """Requests a window."""
        return self._quota

    def photo(self, number: int, orientation: str | None = None) -> dict[str, Any]:
        """Return one photograph as Unsplash tells of it, including much that nobody uses."""
        name = f"photo-{number:013d}"
        width, height = {"portrait": (3648, 5472), "squarish": (4000, 4000)}.get(
            orientation or "", (5472, 3648)
        )
        image = f"https://images.unsplash.com/{name}?ixid=M3w{number}&ixlib=rb-4.1.0"
        user = f"photographer{number}"
        return {
            "id": f"Dwu85P9S{number:03d}",
            "slug": f"a-view-{number}",
            "created_at": "2016-07-14T11:00:01Z",
            "updated_at": "2026-05-01T06:00:01Z",
            "promoted_at": None,
            "width": width,
            "height": height,
            "color": "#6E633A",
            "blur_hash": "LFC$yHwc8^$yIAS$%M%00KxukYIp",
            "description": None,
            "alt_description": f"view number {number}",
            "breadcrumbs": [],
            "urls": {
                "raw": image,
                "full": f"{image}&q=85&fm=jpg&crop=entropy&cs=srgb",
                "regular": f"{image}&q=80&w=1080",
                "small": f"{image}&q=80&w=400",
                "thumb": f"{image}&q=80&w=200",
                "small_s3": f"https://s3.us-west-2.amazonaws.com/images.unsplash.com/small/{name}",
            },
            "links": {
                "self": f"{self.base_url}/photos/{name}",
                "html": f"https://unsplash.com/photos/{name}",
                "download": f"https://unsplash.com/photos/{name}/download?ixid=M3w{number}",
                "download_location": f"{self.base_url}/photos/{name}/download?ixid=M3w{number}",
            },
            "likes": 286,
            "liked_by_user": False,
            "current_user_collections": [],
            "sponsorship": None,
            "topic_submissions": {"nature": {"status": "approved"}},
            "user": {
                "id": "Ul0QVz12Goo",
                "username": user,
                "name": f"Photographer {number}",
                "portfolio_url": "https://example.com/",
                "links": {"self": f"{self.base_url}/users/{user}", "html": f"https://unsplash.com/@{user}"},
            },
        }

    def results(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the whole answer to a search."""
        size = min(int(query.get("per_page", "10")), 30)
        photos = [self.photo(number, query.get("orientation")) for number in range(min(size, self.found))]
        return {"total": self.found, "total_pages": -(-self.found // size), "results": photos}


class _Handler(UpstreamHandler):
    remaining = 0
    asked: Request

    @property
    def unsplash(self) -> Unsplash:
        upstream = self.server.upstream
        assert isinstance(upstream, Unsplash)
        return upstream

    def do_GET(self) -> None:  # noqa: N802  the name that http.server looks for
        self.asked = request = Request("GET", self.path, self.sent_headers())
        scripted, self.remaining = self.unsplash.take(request)
        if scripted:
            scripted(self)
        elif request.key not in self.unsplash.keys:
            unauthorized()(self)
        elif self.remaining < 0:
            quota_used_up()(self)
        elif request.path != "/search/photos":
            status(404, "Couldn't find Photo")(self)
        elif not request.query.get("query"):
            status(400, "query is missing")(self)
        else:
            self.answer(200, json.dumps(self.unsplash.results(request.query)).encode())

    def answer(
        self,
        code: int,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        length: int | None = None,
    ) -> None:
        """Send an answer; compressed if that is welcome, unless the headers say how it is packed."""
        headers = dict(headers or {})
        if "Content-Encoding" not in headers and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        self.head(code, headers, content_type, len(body) if length is None else length)
        self.wfile.write(body)

    def head(self, code: int, headers: Mapping[str, str], content_type: str, length: int) -> None:
        """Send status and headers."""
        self.send_response(code)
        quota = {
            "X-Ratelimit-Limit": str(self.unsplash.quota),
            "X-Ratelimit-Remaining": str(max(0, self.remaining)),
        }
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(length),
            **quota,
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        self.unsplash.pause(seconds)


_PLAIN = {"Content-Encoding": "identity"}


def status(code: int, *errors: str, **headers: str) -> Answer:
    """An error as Unsplash words it; header names with `_` for `-`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(code, json.dumps({"errors": errors}).encode(), headers=names)


def unauthorized() -> Answer:
    """Our key is not known."""
    return status(401, "OAuth error: The access token is invalid")


def quota_used_up(*, said: bool = True, counted: bool = True) -> Answer:
    """The quota of this window is used up, told by the body, a header, or both."""

    def play(handler: _Handler) -> None:
        upstream = handler.unsplash
        when = (
            {"Retry-After": str(math.ceil(upstream.window_left(handler.asked.key)))}
            if upstream.says_when
            else {}
        )
        handler.answer(
            403,
            b"Rate Limit Exceeded" if said else b"Forbidden",
            headers={"X-Ratelimit-Remaining": "0" if counted else "7", **when},
            content_type="text/plain",
        )

    return play


def too_many(*, retry_after: str | None = None) -> Answer:
    """More requests than it likes."""
    return status(429, "Too many requests", **({"Retry_After": retry_after} if retry_after else {}))


def unavailable(*, retry_after: int) -> Answer:
    """Out of order, and it says until when."""
    return status(503, "Service unavailable", Retry_After=str(retry_after))


def slow(seconds: float) -> Answer:
    """Answers well, but late."""

    def play(handler: _Handler) -> None:
        handler.pause(seconds)
        well(handler)

    return play


def slow_loris(pause: float) -> Answer:
    """Sends its answer byte by byte, each just in time for a limit per read."""

    def play(handler: _Handler) -> None:
        body = json.dumps(handler.unsplash.results({})).encode()
        handler.head(200, _PLAIN, "application/json", len(body))
        for place in range(len(body)):
            if handler.unsplash.closing.is_set():
                return
            handler.wfile.write(body[place : place + 1])
            handler.pause(pause)

    return play


def truncated(*, packed: bool = False) -> Answer:
    """Breaks off in the middle of its answer: seen by its length, or when packed only by its end."""

    def play(handler: _Handler) -> None:
        body = json.dumps(handler.unsplash.results({})).encode()
        if packed:
            body = gzip.compress(body)[:200]
            handler.answer(200, body, headers={"Content-Encoding": "gzip"})
        else:
            handler.answer(200, body[: len(body) // 2], headers=_PLAIN, length=len(body))
        handler.close_connection = True

    return play


def html() -> Answer:
    """A page for people, with status 200."""
    page = b"<!doctype html><title>We are down for maintenance</title>"
    return lambda handler: handler.answer(200, page, content_type="text/html")


def huge(size: int) -> Answer:
    """Valid JSON of that many bytes."""
    body = b'{"results": [], "padding": "' + b"x" * size + b'"}'
    return lambda handler: handler.answer(200, body, headers=_PLAIN)


def gzip_bomb(size: int) -> Answer:
    """A little on the wire, that many bytes when unpacked."""
    packer, zeros = zlib.compressobj(9, wbits=31), bytes(1024 * 1024)
    bomb = b"".join(packer.compress(zeros) for _ in range(size // len(zeros))) + packer.flush()
    return lambda handler: handler.answer(200, bomb, headers={"Content-Encoding": "gzip"})


def packed(encoding: str) -> Answer:
    """Says it is packed in some way."""
    return lambda handler: handler.answer(200, b"\x00\x01\x02", headers={"Content-Encoding": encoding})


def reset() -> Answer:
    """Resets the connection without a word."""

    def play(handler: _Handler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.wfile.close()
        handler.rfile.close()
        handler.connection.close()

    return play


def redirect(target: str) -> Answer:
    """Sends the caller elsewhere."""
    return status(302, "moved", Location=target)


def altered(change: Callable[[dict[str, Any]], None]) -> Answer:
    """Answers a search with its first photograph changed."""

    def play(handler: _Handler) -> None:
        results = handler.unsplash.results({})
        change(results["results"][0])
        handler.answer(200, json.dumps(results).encode())

    return play


def well(handler: _Handler) -> None:
    """Answers a search as it should."""
    query = parse_qs(urlsplit(handler.path).query)
    results = handler.unsplash.results({name: values[-1] for name, values in query.items()})
    handler.answer(200, json.dumps(results).encode())

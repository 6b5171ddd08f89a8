"""The web server of `make up`: the built page, and a proxy to the api replicas that streams in both directions.

It does what the gateway does in Compose: `/`, `/ui/…` and `/assets/…` are the page's; everything else belongs to the
api. A request goes to the replica with the fewest open ones; one that refuses the connection is passed over.
Server-sent events flow through as they come.
"""

import argparse
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from jobstream_local.ports import LOOPBACK

log = logging.getLogger(__name__)

_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, 7.6.1: these speak of one connection, not of the message."""

_NOT_PASSED_ON: Final = _HOP_BY_HOP | {"date"}
"""The server dates each answer itself."""

_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data: blob:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}

_BODY_LIMIT: Final = 2 * 1024 * 1024
"""Request bodies are read whole, so that a replica that refuses can be passed over; the api's own limit is lower."""


@dataclass(slots=True)
class Upstream:
    """One api replica and its open requests."""

    url: str
    open: int = 0


class Proxy:
    """Passes requests on to the least busy replica that takes them."""

    def __init__(self, upstreams: Sequence[Upstream], client: httpx.AsyncClient) -> None:
        self._upstreams = upstreams
        self._client = client

    async def __call__(self, request: Request) -> Response:
        """Answer as a replica does, chunk by chunk."""
        if len(request.headers.getlist("host")) != 1:
            # The client library would put the replica's own in its place.
            return _problem(421, "misdirected", "a request has one Host")
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > _BODY_LIMIT:
                    return _problem(413, "too-large", "the body is over 2 MiB")
        except ClientDisconnect:
            return Response(status_code=499)
        headers = [(k, v) for k, v in request.headers.items() if k not in _HOP_BY_HOP]
        headers.append(("x-forwarded-for", request.client.host if request.client else LOOPBACK))
        for upstream in sorted(self._upstreams, key=lambda u: u.open):
            # As it came: to decode a path and write it anew would make another one of it.
            outgoing = self._client.build_request(
                request.method,
                upstream.url,
                headers=headers,
                content=bytes(body),
                extensions={"target": _target(request.scope)},
            )
            upstream.open += 1
            try:
                answer = await self._client.send(outgoing, stream=True)
            except httpx.ConnectError:
                upstream.open -= 1
                continue
            except httpx.LocalProtocolError:
                upstream.open -= 1
                return _problem(
                    400, "bad-request", "the path or a header has characters that neither may have"
                )
            except httpx.HTTPError as error:
                upstream.open -= 1
                return _problem(
                    502, "bad-gateway", f"the api replica gave no answer ({type(error).__name__})"
                )
            return self._passed_on(answer, upstream)
        return _problem(503, "unavailable", "no api replica takes connections", {"retry-after": "1"})

    def _passed_on(self, answer: httpx.Response, upstream: Upstream) -> Response:
        async def close() -> None:
            upstream.open -= 1
            await answer.aclose()

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in answer.aiter_raw():
                    yield chunk
            except httpx.HTTPError as error:
                # The status is out: cutting the connection is the only honest word left.
                log.warning("stream from %s broke: %r", upstream.url, error)
                raise

        response = _ClosingStream(chunks(), status_code=answer.status_code, closing=BackgroundTask(close))
        response.raw_headers = [
            (k.lower(), v) for k, v in answer.headers.raw if k.decode("latin-1").lower() not in _NOT_PASSED_ON
        ]
        return response


class _ClosingStream(StreamingResponse):
    """A stream that gives its upstream connection back however it ends: a client that left included."""

    def __init__(self, content: AsyncIterator[bytes], *, status_code: int, closing: BackgroundTask) -> None:
        super().__init__(content, status_code=status_code)
        self._closing = closing

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._closing()


def _target(scope: Scope) -> bytes:
    raw: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return raw + b"?" + query if query else raw


def _problem(status: int, slug: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    content = {
        "type": f"/problems/{slug}",
        "title": slug.replace("-", " "),
        "status": status,
        "detail": detail,
    }
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def page_routes(page: Path) -> list[Route]:
    """The page's files: hashed ones for ever, the document itself never kept."""

    async def document(_: Request) -> Response:
        if not (page / "index.html").is_file():
            return PlainTextResponse("The page is not built; the API is there: /jobs, /tasks, /docs\n", 404)
        return FileResponse(page / "index.html", headers={**_PAGE_HEADERS, "cache-control": "no-cache"})

    async def asset(request: Request) -> Response:
        file = _file(page, request.url.path)
        if file is None:
            return PlainTextResponse("Not found\n", 404)
        kept = (
            "public, max-age=31536000, immutable"
            if request.url.path.startswith("/assets/")
            else "public, max-age=3600"
        )
        return FileResponse(file, headers={**_PAGE_HEADERS, "cache-control": kept})

    top = (
        [f"/{file.name}" for file in page.iterdir() if file.is_file() and file.name != "index.html"]
        if page.is_dir()
        else []
    )
    routes = [Route(path, document) for path in ("/", "/ui", "/ui/{path:path}")]
    return [*routes, *(Route(path, asset) for path in ("/assets/{path:path}", *top))]


def _file(page: Path, path: str) -> Path | None:
    """The file of the page that a path names, if there is one."""
    try:
        file = (page / path.lstrip("/")).resolve()
        return file if file.is_relative_to(page) and file.is_file() else None
    except (OSError, ValueError):  # no name of a file: too long, or with a NUL in it
        return None


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def create_app(page: Path, upstreams: Sequence[str]) -> Starlette:
    """The page at its paths, the api replicas everywhere else."""
    timeout = httpx.Timeout(
        connect=2, read=None, write=10, pool=None
    )  # streams are silent between heartbeats
    client = httpx.AsyncClient(
        timeout=timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
        trust_env=False,
    )
    proxy = Proxy([Upstream(url.rstrip("/")) for url in upstreams], client)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    routes = [
        Route("/web-healthz", _healthz),
        *page_routes(page.resolve()),
        Route("/{path:path}", proxy.__call__, methods=methods),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--page", type=Path, required=True, help="folder of the built page")
    parser.add_argument("upstream", nargs="+", help="URL of each api replica")
    options = parser.parse_args()
    app = create_app(options.page, options.upstream)
    # An open stream has no end of its own: it must not hold up the server's.
    uvicorn.run(
        app,
        host=LOOPBACK,
        port=options.port,
        log_level="warning",
        timeout_graceful_shutdown=1,
        server_header=False,
    )


if __name__ == "__main__":
    main()

"""The web server in front of the api, with real sockets: it is streaming and refusal that must work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from jobstream_local.ports import free_port
from jobstream_local.web import create_app


@contextlib.asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


class Api:
    """A replica whose stream goes on when it is told to."""

    def __init__(self, name: str = "a") -> None:
        self.name = name
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/events", self._events),
                Route("/{path:path}", self._echo, methods=["GET", "POST", "DELETE"]),
            ]
        )

    async def _echo(self, request: Request) -> JSONResponse:
        seen: dict[str, Any] = {
            "replica": self.name,
            "method": request.method,
            "url": request.url.path,
            "query": request.url.query,
            "body": (await request.body()).decode(),
            "key": request.headers.get("idempotency-key"),
            "forwarded": request.headers.get("x-forwarded-for"),
        }
        return JSONResponse(seen, 202, {"location": "/jobs/1", "etag": '"1.0"'})

    async def _events(self, _: Request) -> StreamingResponse:
        async def stream() -> AsyncIterator[bytes]:
            try:
                yield b"data: 1\n\n"
                await self.go_on.wait()
                yield b"data: 2\n\n"
                await asyncio.Event().wait()
            finally:
                self.left.set()

        return StreamingResponse(stream(), media_type="text/event-stream")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Jobstream</title>")
    (tmp_path / "assets/app-1a2b.js").write_text("go()")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    return tmp_path


@pytest.fixture
async def api() -> AsyncIterator[tuple[Api, str]]:
    api = Api()
    async with served(api.app) as url:
        yield api, url


@pytest.fixture
async def web(page: Path, api: tuple[Api, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        served(create_app(page, [api[1]])) as url,
        httpx.AsyncClient(base_url=url, timeout=5) as client,
    ):
        yield client


async def test_a_request_reaches_the_api_whole_and_its_answer_comes_back_whole(
    web: httpx.AsyncClient,
) -> None:
    answer = await web.post("/jobs?a=1&b=%2F", content='{"task":"noop"}', headers={"idempotency-key": "k"})
    seen = answer.json()
    assert (answer.status_code, answer.headers["location"], answer.headers["etag"]) == (
        202,
        "/jobs/1",
        '"1.0"',
    )
    assert (seen["method"], seen["url"], seen["query"]) == ("POST", "/jobs", "a=1&b=%2F")
    assert (seen["body"], seen["key"], seen["forwarded"]) == ('{"task":"noop"}', "k", "127.0.0.1")


async def test_events_arrive_as_they_are_sent(web: httpx.AsyncClient, api: tuple[Api, str]) -> None:
    async with web.stream("GET", "/events") as stream:
        chunks = stream.aiter_raw()
        assert await anext(chunks) == b"data: 1\n\n"
        api[0].go_on.set()
        assert await anext(chunks) == b"data: 2\n\n"


async def test_a_reader_that_leaves_ends_the_stream_of_the_api(
    web: httpx.AsyncClient, api: tuple[Api, str]
) -> None:
    async with web.stream("GET", "/events") as stream:
        await anext(stream.aiter_raw())
    async with asyncio.timeout(5):
        await api[0].left.wait()


async def test_a_replica_that_refuses_is_passed_over(page: Path, api: tuple[Api, str]) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with served(create_app(page, [dead, api[1]])) as url, httpx.AsyncClient(base_url=url) as client:
        for _ in range(4):
            assert (await client.post("/jobs", content="x")).status_code == 202


async def test_the_less_busy_replica_is_asked(page: Path, api: tuple[Api, str]) -> None:
    other = Api("b")
    async with (
        served(other.app) as second,
        served(create_app(page, [api[1], second])) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("GET", "/events") as stream,
    ):
        await anext(stream.aiter_raw())
        assert (await client.get("/tasks")).json()["replica"] == "b"


async def test_without_any_replica_the_answer_is_a_problem_to_try_again(page: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with served(create_app(page, [dead])) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/jobs")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "1"


async def test_a_body_over_the_limit_is_refused(web: httpx.AsyncClient) -> None:
    assert (await web.post("/jobs", content=b"x" * (2 * 1024 * 1024 + 1))).status_code == 413


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/", "/ui/jobs/0198"])
async def test_every_address_of_the_page_is_its_document(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert "<title>Jobstream" in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


async def test_hashed_files_are_kept_for_ever(web: httpx.AsyncClient) -> None:
    answer = await web.get("/assets/app-1a2b.js")
    assert answer.text == "go()"
    assert "immutable" in answer.headers["cache-control"]


async def test_other_files_of_the_page_are_served_too(web: httpx.AsyncClient) -> None:
    assert (await web.get("/favicon.svg")).text == "<svg/>"


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/..%2f..%2fetc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd"]
)
async def test_what_the_page_does_not_have_is_not_found(web: httpx.AsyncClient, path: str) -> None:
    assert (await web.get(path)).status_code == 404


async def spoken(base: httpx.URL, target: str) -> str:
    """Send a target as it is, which clients would mend, and return the whole answer."""
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: {base.netloc.decode()}\r\nConnection: close\r\n\r\n".encode(
            "latin-1"
        )
    )
    answer = (await reader.read()).decode()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "target",
    [
        "/%00",
        "/jobs/%00",
        "/jobs/%7f",
        "/jobs/%ff%fe",
        "/jobs/%",
        "/jobs/%2e%2e/images/x",
        "/jobs/a%2Fb",
        "//jobs",
        "/jobs?x=%00",
        "/jobs?x=%zz",
        "/a/../jobs",
    ],
)
async def test_a_path_reaches_the_api_letter_by_letter(web: httpx.AsyncClient, target: str) -> None:
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b""))
            await JSONResponse({})(scope, receive, send)

    async with served(app) as api, served(create_app(Path("/nowhere"), [api])) as url:  # type: ignore[arg-type]
        answer = await spoken(httpx.URL(url), target)
    assert answer.startswith("HTTP/1.1 200 ")
    assert seen == [target.encode()]


@pytest.mark.parametrize(
    "target", ["/assets/%00", "/assets/%7f", "/assets/" + "x" * 5_000, "/assets/a%00.js"]
)
async def test_a_name_that_no_file_can_have_is_not_found(web: httpx.AsyncClient, target: str) -> None:
    assert (await spoken(web.base_url, target)).startswith("HTTP/1.1 404 ")


@pytest.mark.parametrize("target", ["/jobs", "/", "/web-healthz", "/assets/none"])
async def test_an_answer_is_dated_once(web: httpx.AsyncClient, target: str) -> None:
    assert (await spoken(web.base_url, target)).lower().count("\r\ndate: ") == 1

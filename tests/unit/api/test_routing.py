"""Which methods a path takes: the answer 405 and the router say the same."""

from collections import defaultdict
from collections.abc import MutableMapping
from typing import Any
from unittest.mock import MagicMock

import msgspec
import pytest
from starlette.routing import Route

from api.http import http_app
from api.routes.batches import batch_routes
from api.routes.images import image_routes
from api.routes.jobs import job_routes
from api.routes.many import many_routes
from api.routes.moves import move_routes
from api.routes.one_job import one_job_routes
from api.routes.reading import reading_routes
from api.routes.tasks import task_routes
from service_chassis.server import Receive, Scope, Send

JOB = "0198c0de-0000-7000-8000-000000000001"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
ANY: Any = MagicMock()


async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand for a hot path."""
    await send({"type": "http.response.start", "status": 200, "headers": []})


ROUTERS = [
    job_routes(store=ANY, legible=ANY),
    one_job_routes(store=ANY, waiting=ANY, legible=ANY),
    move_routes(moving=ANY, catalogue=ANY, body_limit=1),
    *batch_routes(batching=ANY, body_limit=1),
    many_routes(cancelling=ANY, redriving=ANY, body_limit=1),
    task_routes(catalogue=ANY, pausing=ANY, body_limit=1),
    reading_routes(dead_letters=ANY, statistics=ANY),
    image_routes(pictures=ANY, using=ANY, body_limit=1),
]
APP = http_app(submit=endpoint, many=endpoint, one=endpoint, routers=ROUTERS)


def table() -> dict[str, set[str]]:
    """Return what the routers say: the methods of each path."""
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for path, method in (("/jobs", "POST"), ("/events", "GET"), ("/jobs/{job_id}/events", "GET")):
        methods[path].add(method)
    for path in ("/docs", "/docs/style.css", "/openapi.json"):
        methods[path] |= {"GET", "HEAD"}
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            methods[route.path] |= route.methods or set()
    return dict(methods)


async def answer(method: str, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
    await APP({**scope, "raw_path": path.encode(), "root_path": ""}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize(("path", "methods"), sorted(table().items()))
async def test_a_path_takes_the_methods_of_its_routes_and_allow_names_them(
    path: str, methods: set[str]
) -> None:
    called = "/".join(JOB if part.startswith("{") else part for part in path.split("/"))
    for method in METHODS:
        if method in methods:
            continue
        status, headers, body = await answer(method, called)
        assert (method, status) == (method, 405)
        assert headers[b"allow"].decode() == ", ".join(sorted(methods))
        assert msgspec.json.decode(body)["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize("path", ["/jobs/batch", "/jobs/cancel", "/dead-letters/redrive"])
async def test_a_path_that_is_written_out_is_never_the_id_of_something(path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        status, headers, _ = await answer(method, path)
        assert (status, headers[b"allow"]) == (405, b"POST")


@pytest.mark.parametrize("path", ["//jobs", "/jobs/", "/jobs//events", "/jobs/batch/", "/JOBS", "/events/"])
async def test_a_path_beside_the_routes_is_404_with_every_method(path: str) -> None:
    for method in METHODS:
        status, headers, _ = await answer(method, path)
        assert (method, status) == (method, 404)
        assert b"allow" not in headers

"""Whom a request was meant for, and which website sent it."""

from collections.abc import MutableMapping
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from api.fanout import Mailbox
from api.http import http_app
from api.origins import OriginGuard
from api.settings import HttpSettings
from api.streams import Stream
from service_chassis.server import Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]


async def status(
    headers: Headers, method: str = "POST", path: str = "/jobs", server: str = "127.0.0.1"
) -> int:
    sent: list[MutableMapping[str, Any]] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    guard = OriginGuard(
        app, hosts=frozenset({"jobs.example.org"}), origins=frozenset({"https://app.example.org"})
    )
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "server": (server, 8000)}
    await guard(scope, AsyncMock(), send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"localhost", b"localhost"],
        [b"evil.example"],
        [b"localhost.evil.example"],
        [b"evil@localhost"],
        [b"localhost:x"],
        [b"localhost.."],
        [b"10.0.0.1"],
        [b"[::2]"],
        [b"xn--jbs-rna.example.org"],
        ["jöbs.example.org".encode()],
        [b"localhost, evil"],
    ],
)
async def test_a_host_that_is_not_ours_is_misdirected(hosts: list[bytes]) -> None:
    for method in ("GET", "POST"):
        assert await status([(b"host", host) for host in hosts], method) == 421


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:8000", b"127.0.0.1:1", b"[::1]:80", b"localhost.", b"Jobs.Example.org"]
)
async def test_a_host_of_ours_is_taken_in_each_spelling(host: bytes) -> None:
    assert await status([(b"host", host)]) == 200
    assert await status([(b"host", b"10.0.0.1:8000")], server="10.0.0.1") == 200


FOREIGN: list[Headers] = [
    [(b"origin", b"https://evil.example")],
    [(b"origin", b"null")],
    [(b"origin", b"")],
    [(b"origin", b"http://localhost:9000")],
    [(b"origin", b"http://localhost:8000"), (b"origin", b"http://evil.example")],
    [(b"origin", b"http://localhost:8000"), (b"sec-fetch-site", b"cross-site")],
    [(b"sec-fetch-site", b"cross-site")],
    [(b"sec-fetch-site", b"same-site")],
]


@pytest.mark.parametrize("extra", FOREIGN)
async def test_a_foreign_website_changes_nothing_and_opens_no_stream(extra: Headers) -> None:
    headers = [(b"host", b"localhost:8000"), *extra]
    assert await status(headers) == 403
    assert await status(headers, "DELETE", "/jobs/1") == 403
    assert await status(headers, "GET", "/events") == 403
    assert await status(headers, "GET", "/jobs") == 200  # a browser keeps the answer to itself


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [(b"origin", b"http://localhost:8000"), (b"sec-fetch-site", b"same-origin")],
        [(b"origin", b"https://localhost:8000")],
        [(b"origin", b"https://app.example.org"), (b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"none")],
    ],
)
async def test_our_page_and_programs_may_call(extra: Headers) -> None:
    assert await status([(b"host", b"localhost:8000"), *extra]) == 200


async def test_a_body_of_another_kind_is_refused_everywhere() -> None:
    host = (b"host", b"localhost")
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonp"):
        headers = [host, (b"content-type", kind), (b"content-length", b"2")]
        assert await status(headers, path="/tasks/a/pause") == 415
    assert await status([host, (b"transfer-encoding", b"chunked")], path="/jobs/1/cancel") == 415
    assert await status([host, (b"content-length", b"0")], path="/jobs/1/cancel") == 200


def test_names_are_listed_one_by_one() -> None:
    assert HttpSettings(hosts="A.example, b.example").host_names == {"a.example", "b.example"}
    with pytest.raises(ValueError, match="name each one"):
        HttpSettings(hosts="*")


async def test_an_error_after_the_answer_has_begun_starts_no_second_one() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def breaks(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("halfway")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    app = http_app(submit=breaks, many=breaks, one=breaks, routers=[])
    with pytest.raises(RuntimeError, match="halfway"):
        await app({"type": "http", "method": "POST", "path": "/jobs", "headers": []}, AsyncMock(), send)
    assert len(sent) == 1


async def test_a_replay_is_written_in_slices() -> None:
    send = AsyncMock()
    stream = Stream(
        mailbox=cast("Mailbox", None), address="", ends_at=0, beat=0, transport=None, task=None, send=send
    )
    await stream.write_all([b"x" * 1000] * 1000, b"end")
    bodies = [call.args[0]["body"] for call in send.await_args_list]
    assert b"".join(bodies) == b"x" * 1_000_000 + b"end"
    assert max(map(len, bodies)) < 67_000

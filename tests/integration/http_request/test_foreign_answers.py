"""Whatever stands on the socket: the task raises nothing but errors of tasks that the brake does not count."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from job_worker.tasks import JobsOwnFault, JobsOwnTrouble, RateLimited
from job_worker.tasks.http_request import Answer
from tests.integration.http_request.conftest import OpenTask, Requester, settings_for
from tests.support.http_upstream import HttpUpstream

_BOMB = gzip.compress(b"0" * 30_000_000)

statuses = st.sampled_from(
    [b"200 OK", b"200", b"204 No", b"301 To", b"303 To", b"404 No", b"429 Many", b"500 Oh"]
) | (st.integers(0, 1_200).map(lambda n: b"%d X" % n))
names = st.sampled_from(
    [
        *(b"Retry-After", b"Date", b"Location", b"Content-Type", b"Content-Encoding", b"Content-Length"),
        *(b"Transfer-Encoding", b"ETag", b"X-RateLimit-Remaining", b"Connection", b"Set-Cookie", b"Link"),
    ]
) | st.from_regex(rb"[a-zA-Z0-9_-]{1,30}", fullmatch=True)
values = st.sampled_from(
    [
        *(
            b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
            b"Mon, 01 Jan 2026 00:00:00 +99999999",
            b"-1",
            b"0",
        ),
        *(b"9" * 5_001, b"gzip", b"br, gzip", b"GZIP", b"deflate", b"chunked", b"identity", b"gzip, chunked"),
        *(
            b"application/json",
            b"text/plain; charset=utf-7",
            b"text/plain; charset=idna",
            b"text/x; charset=\x22",
        ),
        *(
            b"text/plain; charset=utf-16",
            b"text/plain; charset*=x''%ff",
            b"; charset=",
            b"application/ld+json",
        ),
        *(
            b"http://[::1",
            b"//",
            b"https://\xff/",
            b"http://127.0.0.1:99999/",
            b"javascript:1",
            b"/%zz",
            b"?",
        ),
        *(b"http://user@x/", b"file:///etc/passwd", b"\xe2\x80\xa8", b"http://xn--a/", b"http://0x7f.1/"),
    ]
) | st.binary(max_size=40).filter(lambda value: not {10, 13} & set(value))
bodies = st.binary(max_size=200) | st.sampled_from(
    [
        *(b"{}", b"[" * 5_000 + b"]" * 5_000, b"9" * 5_001, b'"\\ud800"', b'{"a":1,"a":2}', b"NaN", b"1e999"),
        *(
            b"\xff\xfe\x00\xd8",
            b"\xef\xbb\xbf{}",
            _BOMB,
            _BOMB[:100],
            gzip.compress(b"{}") + b"more",
            b"\x1f\x8b",
        ),
        *(
            zlib.compress(b"{}"),
            gzip.compress(b"{}") * 3,
            b"5\r\nhello\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\n",
        ),
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer, or what a broken or hostile server sends instead."""
    body = draw(bodies)
    lines = [draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9.9 ", b"ICY "])) + draw(statuses)]
    lines += [name + b": " + value for name, value in draw(st.lists(st.tuples(names, values), max_size=6))]
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class RawUpstream:
    """Answers whatever it is told to, byte for byte, and hangs up."""

    def __init__(self) -> None:
        self.says = b""

    async def __aenter__(self) -> "RawUpstream":
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.says)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture(scope="module")
def unused() -> Iterator[HttpUpstream]:
    with HttpUpstream() as upstream:
        yield upstream


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(said=answers() | st.binary(max_size=300))
@example(said=b"HTTP/1.1 429 Many\r\nRetry-After: Mon, 01 Jan 99999999999999999999 00:00:00 GMT\r\n\r\n")
@example(
    said=b"HTTP/1.1 503 No\r\nRetry-After: Mon, 01 Jan 2026 00:00:00 -99999999\r\nContent-Length: 0\r\n\r\n"
)
@example(said=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + _BOMB)
@example(said=b"HTTP/1.1 302 To\r\nLocation: http://[::1\r\nLocation: /\r\n\r\n")
@example(said=b"HTTP/1.1 101 Switching\r\n\r\n")
@example(said=b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + b"HTTP/1.1 200 OK\r\n\r\n")
@example(said=b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n")
@example(said=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=\xff\r\nContent-Length: 1\r\n\r\nx")
async def test_no_answer_of_an_upstream_raises_anything_but_the_tasks_own_errors(
    said: bytes, open_task: OpenTask, unused: HttpUpstream
) -> None:
    async with RawUpstream() as raw:
        allowed = settings_for(unused) | {"HTTP_REQUEST__ALLOW": f"127.0.0.1:{raw.port}"}
        request: Requester = await open_task(allowed)
        raw.says = said
        outcome = await _outcome(request, f"{raw.url}/x")
    if isinstance(outcome, RateLimited):
        assert 1 <= outcome.until.total_seconds() <= 86_400
    if isinstance(outcome, Exception):
        assert "cannot be understood" not in str(outcome), "what is known to come is named"
        str(outcome).encode()
    else:
        json.dumps(outcome.model_dump(mode="json"), allow_nan=False).encode()


async def _outcome(request: Requester, url: str) -> Answer | Exception:
    try:
        return await request(url=url, redirects=2, timeout=5)
    except (RateLimited, JobsOwnFault, JobsOwnTrouble) as error:
        return error

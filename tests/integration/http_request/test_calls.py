"""The task against real servers: what it sends, what it keeps, and what each answer leads to."""

import gzip
import json
import logging
import time
import tracemalloc
from datetime import timedelta
from traceback import format_exception
from typing import Any

import pytest

from job_worker.tasks import JobsOwnFault, JobsOwnTrouble, RateLimited, TaskContext, TaskError
from job_worker.tasks.http_request.calling import (
    USER_AGENT,
    AddressRefused,
    AnswerTooLarge,
    RedirectRefused,
    UnexpectedStatus,
    UpstreamNotReached,
    UpstreamTooSlow,
    UpstreamTrouble,
)
from job_worker.tasks.http_request.secrets import SecretBoundElsewhere, UnknownSecret
from tests.integration.http_request.conftest import CANARY, OpenTask, Requester
from tests.support import http_upstream as play
from tests.support.http_upstream import HttpUpstream

SECRET = {"Authorization": {"secret": "billing_token"}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_request_carries_what_the_job_says_and_what_makes_it_safe_to_repeat(
    request_: Requester, upstream: HttpUpstream
) -> None:
    context = TaskContext(job_id="01a20ae8", attempt=3, traceparent=TRACE)
    payload = {"method": "POST", "headers": {"X-Kind": "invoice"} | SECRET, "json": {"amount": 12}}
    answer = await request_(context=context, url=f"{upstream.url}/invoices?x=1", **payload)
    assert answer.model_dump() == {
        "status": 200,
        "url": f"{upstream.url}/invoices?x=1",
        "headers": {"content-type": "application/json", "date": answer.headers["date"]},
        "body": {"ok": True},
        "body_is": "json",
    }
    (request,) = upstream.requests
    assert (request.method, request.target) == ("POST", "/invoices?x=1")
    assert json.loads(request.body) == {"amount": 12}
    assert {
        name: request.headers[name]
        for name in request.headers
        if name not in {"content-length", "connection"}
    } == {
        "host": upstream.url.removeprefix("http://"),
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "gzip",
        "authorization": f"Bearer {CANARY}",
        "idempotency-key": "01a20ae8",
        "traceparent": TRACE,
        "user-agent": USER_AGENT,
        "x-kind": "invoice",
    }


@pytest.mark.parametrize("trace", [None, "00-x", f"{TRACE}\r\nx: y", TRACE.upper()])
async def test_a_trace_context_that_is_none_is_not_passed_on(
    trace: str | None, request_: Requester, upstream: HttpUpstream
) -> None:
    await request_(context=TaskContext(job_id="j", attempt=1, traceparent=trace), url=upstream.url)
    assert "traceparent" not in upstream.requests[0].headers


async def test_a_job_may_say_its_own_type_key_and_agent(request_: Requester, upstream: HttpUpstream) -> None:
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "mine", "User-Agent": "me/1"}
    await request_(url=upstream.url, method="PUT", body="a;ü", headers=headers)
    (request,) = upstream.requests
    assert request.body == "a;ü".encode()
    assert [request.headers[name.lower()] for name in headers] == list(headers.values())


def _sent(kind: str, body: bytes) -> play.Play:
    return play.answer(200, body, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("given", "body", "kind"),
    [
        (_sent("text/plain", b"plain"), "plain", "text"),
        (_sent("text/plain; charset=iso-8859-1", "grün".encode("latin-1")), "grün", "text"),
        (_sent("application/problem+json", b'{"a": [1, null]}'), {"a": [1, None]}, "json"),
        (_sent("text/plain", b'{"a": 1}'), '{"a": 1}', "text"),
        (_sent("application/json", b"{broken"), "{broken", "text"),
        (_sent("application/json", b"[NaN]"), "[NaN]", "text"),
        (_sent("application/json", b"[" * 65 + b"]" * 65), "[" * 65 + "]" * 65, "text"),
        (_sent("application/json", b"[" * 90_000), "[" * 90_000, "text"),
        (_sent("application/json", b'"\\ud800"'), '"\\ud800"', "text"),
        (_sent("image/png", b"\x89PNG\r\n\xff"), "iVBORw0K/w==", "base64"),
        (_sent("text/plain; charset=hex", b"x"), "eA==", "base64"),
        (play.answer(204), None, "empty"),
        (play.answer(200, b"", headers={"Content-Encoding": "gzip"}), None, "empty"),
    ],
)
async def test_a_body_is_kept_as_what_it_is(
    given: play.Play, body: Any, kind: str, request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(given)
    answer = await request_(url=upstream.url)
    assert (answer.body, answer.body_is) == (body, kind)


async def test_only_headers_that_are_safe_to_show_are_kept(
    request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(
        play.document(
            {}, Set_Cookie="session=1", ETag='"v1"', Server="x/1", X_Internal="y", X_Request_Id="r-1"
        )
    )
    answer = await request_(url=upstream.url)
    assert answer.headers.keys() == {"content-type", "date", "etag", "x-request-id"}


async def test_no_cookie_of_one_job_reaches_the_next(request_: Requester, upstream: HttpUpstream) -> None:
    upstream.script(play.document({}, Set_Cookie="session=1"))
    await request_(url=upstream.url)
    await request_(url=upstream.url)
    assert "cookie" not in upstream.requests[1].headers


# --- what an answer leads to
@pytest.mark.parametrize(
    ("given", "expect", "verdict"),
    [
        (play.answer(404, b"no such invoice"), ["2xx"], UnexpectedStatus),
        (play.answer(401), ["2xx"], UnexpectedStatus),
        (play.answer(200), [201], UnexpectedStatus),
        (play.answer(304), ["2xx"], UnexpectedStatus),
        (play.redirect("/elsewhere"), ["2xx"], RedirectRefused),
        (play.answer(408), ["2xx"], UpstreamTrouble),
        (play.answer(425), ["2xx"], UpstreamTrouble),
        (play.answer(429), ["2xx"], UpstreamTrouble),
        (play.answer(500), ["2xx"], UpstreamTrouble),
        (play.answer(503), [500], UpstreamTrouble),
        (play.answer(429, headers={"Retry-After": "7"}), ["2xx"], RateLimited),
        (play.drop(), ["2xx"], UpstreamNotReached),
        (play.slow(30), ["2xx"], UpstreamTooSlow),
        (play.slow(30, first=b"begun"), ["2xx"], UpstreamTooSlow),
        (play.answer(200, b"x", headers={"Content-Encoding": "br"}), ["2xx"], UpstreamTrouble),
        (play.answer(200, b"x", headers={"Content-Encoding": "gzip"}), ["2xx"], UpstreamTrouble),
        (play.answer(200, b"x" * 300_000), ["2xx"], AnswerTooLarge),
        (play.answer(404, b"x" * 300_000), ["2xx"], UnexpectedStatus),
    ],
)
async def test_each_answer_has_its_verdict(
    given: play.Play,
    expect: list[Any],
    verdict: type[TaskError],
    request_: Requester,
    upstream: HttpUpstream,
) -> None:
    upstream.script(given)
    with pytest.raises(TaskError) as caught:
        await request_(url=upstream.url, expect=expect, timeout=0.5)
    assert type(caught.value) is verdict
    assert isinstance(caught.value, JobsOwnFault | JobsOwnTrouble | RateLimited), (
        "no brake for one job's upstream"
    )
    assert len(upstream.requests) == 1, "retrying is the queue's business"


@pytest.mark.parametrize("status", [404, 500, 429, 302])
async def test_a_status_that_the_job_expects_is_success(
    status: int, request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(play.answer(status, headers={"Retry-After": "1", "Location": "/x"}))
    assert (await request_(url=upstream.url, expect=["2xx", status])).status == status


async def test_retry_after_is_passed_on(request_: Requester, upstream: HttpUpstream) -> None:
    upstream.script(
        play.answer(503, headers={"Retry-After": "7"}),
        play.answer(429, headers={"Retry-After": "Sun, 01 Mar 2026 12:45:00 GMT"}),
    )
    with pytest.raises(UpstreamTrouble) as trouble:
        await request_(url=upstream.url)
    assert trouble.value.after == timedelta(seconds=7)
    with pytest.raises(RateLimited) as limited:
        await request_(url=upstream.url)
    assert limited.value.until == timedelta(minutes=5)


async def test_a_refusal_is_told_with_its_status_and_the_beginning_of_its_text_on_one_line(
    request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(play.answer(422, b'{"error":\r\n "no\x00 amount"}' + b"x" * 5_000))
    with pytest.raises(UnexpectedStatus) as caught:
        await request_(url=upstream.url)
    text = str(caught.value)
    assert text.startswith('127.0.0.1 answered 422: {"error": "no amount"}xxx')
    assert len(text) < 350


async def test_an_attempt_of_a_job_with_little_time_says_why_before_its_limit(
    request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(play.slow(30))
    began = time.monotonic()
    with pytest.raises(UpstreamTooSlow, match=r"within 0\.9 s"):
        await request_(context=TaskContext(job_id="j", attempt=1, timeout=1), url=upstream.url)
    assert time.monotonic() - began < 10


async def test_a_gzip_bomb_is_given_up_before_it_unfolds(request_: Requester, upstream: HttpUpstream) -> None:
    upstream.script(play.gzip_bomb(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge, match="more than 262144 bytes"):
            await request_(url=upstream.url)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_what_follows_the_end_of_a_packed_answer_is_not_kept(
    request_: Requester, upstream: HttpUpstream
) -> None:
    def endless(handler: Any, _: play.Request) -> None:
        body = gzip.compress(b"short")
        handler.answer(200, body, {"Content-Encoding": "gzip", "Content-Length": str(len(body) + 2**40)})
        for _n in range(1_000):
            handler.wfile.write(bytes(1024 * 1024))

    upstream.script(endless)
    tracemalloc.start()
    try:
        assert (await request_(url=upstream.url)).body == "short"
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert upstream.gone.wait(10), "the connection is closed in the middle"


# --- where it goes
async def test_the_own_network_is_closed_unless_it_is_opened(
    open_task: OpenTask, upstream: HttpUpstream
) -> None:
    request_ = await open_task({})
    for url in (upstream.url, f"http://localhost:{upstream.port}"):
        with pytest.raises(AddressRefused, match="a loopback address"):
            await request_(url=url)
    assert upstream.requests == []


async def test_a_redirect_to_the_own_network_is_refused(request_: Requester, upstream: HttpUpstream) -> None:
    with HttpUpstream() as inside:
        upstream.script(play.redirect(f"{inside.url}/latest/meta-data/"))
        with pytest.raises(AddressRefused, match="a loopback address"):
            await request_(url=upstream.url, redirects=5)
        assert inside.requests == []


@pytest.mark.parametrize(
    "to",
    [
        *("file:///etc/passwd", "javascript:alert(1)", "http://127.1/", "http:\\\\127.0.0.1/"),
        *("http://[::1", "//user@127.0.0.1/", "http://exämple.org/"),
    ],
)
async def test_a_redirect_to_what_is_no_plain_url_is_refused(
    to: str, request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(play.redirect(to))
    with pytest.raises(RedirectRefused):
        await request_(url=upstream.url, redirects=5)


async def test_redirects_are_followed_as_often_as_the_job_says(
    request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(play.redirect("/b#here"), play.redirect(f"{upstream.url}/c?d"), play.document("there"))
    answer = await request_(url=f"{upstream.url}/a", redirects=2)
    assert (answer.body, answer.url) == ("there", f"{upstream.url}/c?d")
    upstream.script(play.redirect("/b"), play.redirect("/c"), play.redirect("/d"))
    with pytest.raises(RedirectRefused, match="the job follows 2 redirects"):
        await request_(url=f"{upstream.url}/a", redirects=2)


@pytest.mark.parametrize(
    ("status", "method", "becomes", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (307, "POST", "POST", b"x"),
        (308, "PUT", "PUT", b"x"),
        (302, "PUT", "PUT", b"x"),
    ],
)
async def test_a_redirect_keeps_or_changes_the_method_as_everybody_does(
    status: int, method: str, becomes: str, body: bytes, request_: Requester, upstream: HttpUpstream
) -> None:
    upstream.script(play.redirect("/b", status))
    await request_(url=f"{upstream.url}/a", method=method, body="x", redirects=1)
    assert (upstream.requests[1].method, upstream.requests[1].body) == (becomes, body)


# --- secrets
async def test_a_secret_goes_only_where_it_is_bound(
    request_: Requester, upstream: HttpUpstream, elsewhere: HttpUpstream
) -> None:
    for url in (elsewhere.url, upstream.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(SecretBoundElsewhere, match="billing_token may not be sent to"):
            await request_(url=url, headers=SECRET)
    with pytest.raises(UnknownSecret, match="no secret is called other"):
        await request_(url=upstream.url, headers={"Authorization": {"secret": "other"}})
    assert upstream.requests == elsewhere.requests == []


async def test_a_redirect_takes_no_secret_and_no_header_of_the_job_to_another_origin(
    request_: Requester, upstream: HttpUpstream, elsewhere: HttpUpstream
) -> None:
    upstream.script(play.redirect(f"{elsewhere.url}/b"))
    await request_(url=upstream.url, headers=SECRET | {"X-Own": "1", "Accept": "text/plain"}, redirects=1)
    sent = elsewhere.requests[0].headers
    assert "authorization" not in sent
    assert "x-own" not in sent
    assert sent["accept"] == "text/plain"
    assert upstream.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("status", [200, 403, 503])
async def test_a_secret_that_comes_back_is_taken_out_of_answers_errors_and_logs(
    status: int, request_: Requester, upstream: HttpUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    upstream.script(play.echo(status))
    context = TaskContext(job_id="j", attempt=1)
    try:
        answer = await request_(context=context, url=upstream.url, headers=SECRET)
        shown = answer.model_dump_json()
        assert answer.body["said"] == "you are <[redacted]>"
        assert answer.headers["x-request-id"] == "[redacted]"
    except TaskError as error:
        shown = "".join(format_exception(error))
    assert upstream.requests[0].headers["authorization"] == f"Bearer {CANARY}", "it was sent"
    assert "[redacted]" in shown
    ours = [record for record in caplog.records if not record.name.startswith(("httpcore", "httpx"))]
    assert CANARY not in shown + str([vars(record) for record in ours]) + str(context.take_lines())

"""`http.request` from POST to its end, through the four services, with upstreams on sockets."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from job_contracts.topics import Topic
from jobstream_local.ports import free_port
from tests.integration.http_request.conftest import CANARY, settings_for
from tests.support import http_upstream as play
from tests.support.api import Api, View
from tests.support.http_upstream import HttpUpstream, Request
from tests.support.product import Product, Servers
from tests.support.waiting import until, until_true

SECRET = {"Authorization": {"secret": "billing_token"}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BRAKE_RUN = 5


@pytest.fixture(scope="module")
def upstream() -> Iterator[HttpUpstream]:
    with HttpUpstream() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def dead_port() -> int:
    """A port that may be called and where nobody listens."""
    return free_port()


@pytest.fixture(scope="module")
def product(
    servers: Servers, upstream: HttpUpstream, dead_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    env = settings_for(upstream, BRAKE__RUN=str(BRAKE_RUN))
    env["HTTP_REQUEST__ALLOW"] += f",127.0.0.1:{dead_port}"
    product = Product(tmp_path_factory.mktemp("http"), servers=servers, env=env)
    product.up()
    yield product
    product.down()


@pytest.fixture
async def api(product: Product) -> AsyncIterator[Api]:
    async with product.api() as api:
        yield api


def asked(upstream: HttpUpstream, path: str) -> list[Request]:
    return [request for request in upstream.requests if request.target == path]


async def result(api: Api, job: str) -> View:
    answer = await api.get(f"/jobs/{job}/result")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_call_succeeds_and_its_answer_is_the_result(api: Api, upstream: HttpUpstream) -> None:
    upstream.script(play.document({"id": 7}, status=201, ETag='"v1"'))
    payload = {"url": f"{upstream.url}/one", "method": "POST", "json": {"amount": 12}, "expect": [201]}
    answer = await api.post({"task": "http.request", "payload": payload}, traceparent=TRACE)
    job = answer.json()["id"]
    assert (await api.finish(job))["state"] == "succeeded"
    kept = await result(api, job)
    assert (kept["status"], kept["body"], kept["headers"]["etag"]) == (201, {"id": 7}, '"v1"')
    (request,) = asked(upstream, "/one")
    assert request.body == b'{"amount":12}'
    assert (request.headers["idempotency-key"], request.headers["traceparent"]) == (job, TRACE)


async def test_each_attempt_sends_the_same_key_until_one_succeeds(api: Api, upstream: HttpUpstream) -> None:
    upstream.script(play.drop(), play.answer(503, b"later"), play.document("done"))
    job = await api.submit("http.request", {"url": f"{upstream.url}/retried", "method": "POST", "body": "x"})
    assert (await api.finish(job))["state"] == "succeeded"
    assert [request.headers["idempotency-key"] for request in asked(upstream, "/retried")] == [job] * 3
    history = await api.attempts(job)
    assert [attempt["error"] and attempt["error"]["type"] for attempt in history] == [
        "UpstreamNotReached",
        "UpstreamTrouble",
        None,
    ]
    assert history[1]["error"]["message"] == "127.0.0.1 answered 503: later"


async def test_a_rate_limit_is_waited_for_and_burns_no_attempt(api: Api, upstream: HttpUpstream) -> None:
    upstream.script(*[play.answer(429, headers={"Retry-After": "2"})] * 2, play.document("done"))
    job = await api.submit("http.request", {"url": f"{upstream.url}/limited"}, max_attempts=1)
    waiting = await api.reach(job, "waiting")
    assert waiting["reason"] == "rate_limit"
    assert (await api.finish(job))["state"] == "succeeded"
    first, second, third = asked(upstream, "/limited")
    assert min(second.at - first.at, third.at - second.at) >= 2


async def test_retry_after_of_an_upstream_in_trouble_is_waited_for(api: Api, upstream: HttpUpstream) -> None:
    upstream.script(play.answer(503, headers={"Retry-After": "3"}), play.document("done"))
    job = await api.submit("http.request", {"url": f"{upstream.url}/trouble"}, max_attempts=2)
    assert (await api.finish(job))["state"] == "succeeded"
    first, second = asked(upstream, "/trouble")
    assert second.at - first.at >= 3


async def test_a_secret_is_seen_by_its_upstream_and_by_nobody_else(
    product: Product, api: Api, upstream: HttpUpstream
) -> None:
    async with product.records() as records, product.topics() as topics:
        upstream.script(play.echo(200), play.echo(403), play.echo(503), play.echo(503))
        jobs = [
            await api.submit(
                "http.request", {"url": f"{upstream.url}/secret", "headers": SECRET}, max_attempts=1
            )
            for _ in range(3)
        ]
        jobs.append(
            await api.submit(
                "http.request",
                {"url": f"{upstream.url}/secret", "headers": {"X-Key": {"secret": "billing_token"}}},
                max_attempts=1,
            )
        )
        ended = [await api.finish(job) for job in jobs]
        assert sorted(view["state"] for view in ended) == ["failed", "failed", "failed", "succeeded"]
        sent = [
            name
            for request in asked(upstream, "/secret")
            for name, value in request.headers.items()
            if CANARY in value
        ]
        assert sorted(sent) == ["authorization", "authorization", "authorization", "x-key"]
        await topics.drained()

        seen: dict[str, str] = {}
        for name in await records.database.list_collection_names():
            seen[name] = str(await records.database[name].find({}).to_list(None))
        for topic in Topic:
            seen[f"topic {topic}"] = str([(m.key, m.value, m.headers) for m in await topics.dump(topic)])
        for part in product.stack.parts.values():
            seen[f"log of {part.name}"] = part.process.log.read_text(errors="replace")
        for path in [f"/jobs/{job}{what}" for job in jobs for what in ("", "/result", "/attempts", "/logs")]:
            seen[path] = (await api.get(path)).text
        for path in ("/dead-letters", "/tasks", "/stats"):
            seen[path] = (await api.get(path)).text
    assert sum("[redacted]" in text for text in seen.values()) >= 4, "it would have been seen"
    assert all(job in seen["jobs"] for job in jobs), "the dump is that of these jobs"
    assert [where for where, text in seen.items() if CANARY in text] == []


async def test_a_secret_in_a_payload_is_refused_at_the_door(api: Api, upstream: HttpUpstream) -> None:
    headers = {"Authorization": f"Bearer {CANARY}"}
    answer = await api.post({"task": "http.request", "payload": {"url": upstream.url, "headers": headers}})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/payload/headers/Authorization"]


async def test_an_answer_over_the_limit_fails_the_job_and_says_so(api: Api, upstream: HttpUpstream) -> None:
    upstream.script(play.gzip_bomb(8 * 1024 * 1024))
    job = await api.submit("http.request", {"url": f"{upstream.url}/huge"})
    view = await api.finish(job)
    assert view["state"] == "failed"
    assert view["error"]["type"] == "AnswerTooLarge"
    assert view["error"]["message"] == "the answer of 127.0.0.1 cannot be kept: it has more than 262144 bytes"


async def test_a_redirect_into_the_own_network_is_refused(api: Api, upstream: HttpUpstream) -> None:
    with HttpUpstream() as inside:
        upstream.script(play.redirect(f"{inside.url}/latest/meta-data/"))
        job = await api.submit("http.request", {"url": f"{upstream.url}/led", "redirects": 3})
        view = await api.finish(job)
        assert (view["state"], view["attempt"], view["error"]["type"]) == ("failed", 1, "AddressRefused")
        assert inside.requests == []


@pytest.mark.parametrize(
    "url",
    ["http://localhost:9/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/", "http://10.0.0.1/"],
)
async def test_the_own_network_is_refused_at_the_first_attempt(url: str, api: Api) -> None:
    view = await api.finish(await api.submit("http.request", {"url": url}))
    assert (view["state"], view["attempt"], view["error"]["type"]) == ("failed", 1, "AddressRefused")


async def test_a_job_that_is_cancelled_hangs_up(api: Api, upstream: HttpUpstream) -> None:
    upstream.gone.clear()
    upstream.script(play.slow(60))
    job = await api.submit("http.request", {"url": f"{upstream.url}/slow"})
    await until_true(lambda: bool(asked(upstream, "/slow")), within=20, what="the upstream to be asked")
    began = time.monotonic()
    assert (await api.cancel(job)).is_success
    assert (await api.finish(job))["state"] == "cancelled"
    assert upstream.gone.wait(10)
    assert time.monotonic() - began < 15


async def test_an_upstream_that_is_away_does_not_stop_calls_to_others(
    api: Api, upstream: HttpUpstream, dead_port: int
) -> None:
    away = [
        await api.submit("http.request", {"url": f"http://127.0.0.1:{dead_port}/"}, max_attempts=1)
        for _ in range(2 * BRAKE_RUN)
    ]

    async def settled() -> list[Any]:
        # What is called before the breaker of this host opens fails; what comes later waits for a probe.
        views = [await api.view(job) for job in away]
        assert all(view["error"] or view["reason"] == "rate_limit" for view in views)
        return [view["error"]["type"] for view in views if view["error"]]

    errors = await until(settled, within=20, what="calls of a host that is away to fail or to wait")
    assert errors == ["UpstreamNotReached"] * len(errors)
    assert errors
    assert not (await api.get("/tasks/http.request")).json()["paused"]
    job = await api.submit("http.request", {"url": f"{upstream.url}/others"})
    assert (await api.finish(job))["state"] == "succeeded"
    for job in away:
        await api.cancel(job)

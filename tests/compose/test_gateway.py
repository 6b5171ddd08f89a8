"""What the gateway adds: limits, headers, problems of its own, and replicas that come and go."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from jobstream_local.ports import free_port
from tests.compose.containers import Containers
from tests.support.waiting import until

_NOOP = {"task": "noop", "payload": {}}


@pytest.fixture
async def client(stack: Containers) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate for localhost, as an operator mounts it."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "tls.key").chmod(0o644)
    tmp_path.chmod(0o755)
    return tmp_path


def _is_problem(answer: httpx.Response, slug: str) -> bool:
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == answer.status_code
    return bool(told["type"] == f"/problems/{slug}")


async def test_the_page_is_served_at_its_paths_with_its_headers(client: httpx.AsyncClient) -> None:
    answers = {path: await client.get(path) for path in ("/", "/ui", "/ui/jobs/any")}
    for path, answer in answers.items():
        assert answer.status_code == 200, path
        assert '<div id="root">' in answer.text
        assert answer.headers["cache-control"] == "no-cache"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers or "/" not in answer.headers["server"]
    script = next(
        part for part in answers["/"].text.split('"') if part.startswith("/assets/") and part.endswith(".js")
    )
    assert "immutable" in (await client.get(script)).headers["cache-control"]
    assert _is_problem(await client.get("/assets/nothing.js"), "not-found")
    assert _is_problem(await client.post("/"), "method-not-allowed")


async def test_answers_are_compressed_and_streams_are_not(
    client: httpx.AsyncClient, stack: Containers
) -> None:
    asked = {"accept-encoding": "gzip"}
    assert (await client.get("/openapi.json", headers=asked)).headers["content-encoding"] == "gzip"
    async with client.stream("GET", "/events", headers=asked) as stream:
        assert "content-encoding" not in stream.headers
        assert stream.headers["content-type"].startswith("text/event-stream")


async def test_no_other_origin_is_ever_allowed(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.get("/jobs", headers={"origin": "https://evil.example"}),
        await client.options(
            "/jobs", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
        ),
    ):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(("path", "limit"), [("/jobs", 64 * 1024), ("/jobs/batch", 1024 * 1024)])
async def test_a_body_over_the_limit_is_refused_with_and_without_a_length(
    client: httpx.AsyncClient, path: str, limit: int
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(limit // 4096 + 2):
            yield b" " * 4096

    headers = {"content-type": "application/json"}
    assert _is_problem(await client.post(path, content=b" " * (limit + 1), headers=headers), "too-large")
    assert _is_problem(await client.post(path, content=chunks(), headers=headers), "too-large")


async def test_huge_headers_are_refused_at_once(client: httpx.AsyncClient) -> None:
    assert _is_problem(await client.get("/jobs", headers={"x-much": "x" * 40_000}), "bad-request")
    assert _is_problem(await client.get("/jobs?x=" + "x" * 40_000), "bad-request")


async def test_a_query_is_not_logged(client: httpx.AsyncClient, stack: Containers) -> None:
    await client.get("/jobs?token=canary-in-a-query")
    await client.get("/jobs/canary-in-a-path")

    async def look() -> str:
        told = await stack.logs("gateway")
        assert "canary-in-a-path" in told
        return told

    assert "canary-in-a-query" not in await until(look, within=10, what="the request to be logged")


async def test_replicas_are_found_while_they_come_and_passed_over_when_they_go(stack: Containers) -> None:
    async with stack.api(timeout=20) as api:
        await stack.scale(api=3)

        async def spread() -> bool:
            await asyncio.gather(*(api.get("/jobs?limit=1") for _ in range(30)))
            addresses = {await stack.address(one, "front") for one in await stack.ids("api")}
            told = await stack.logs("gateway")
            seen = {address for address in addresses if f'"upstream":"{address}:8000"' in told}
            assert seen == addresses
            return True

        await until(spread, within=20, what="three replicas to be asked")
        asked, refused = 0, list[str]()

        async def ask_on() -> None:
            nonlocal asked
            while True:
                answer = await api.get("/jobs?limit=1")
                asked += 1
                if answer.status_code != 200:
                    refused.append(answer.text)
                await asyncio.sleep(0.02)

        asking = asyncio.create_task(ask_on())
        await stack.scale(api=1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert asked > 20
    assert refused == [], "a replica that ended was noticed by clients"


async def test_a_flood_is_refused_whatever_it_claims_to_be(stack: Containers) -> None:
    await stack.having("gateway", GATEWAY_RATE_PER_ADDRESS="10")
    try:
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=20) as client:

            async def ask(number: int) -> httpx.Response:
                return await client.get(
                    "/jobs?limit=1", headers={"x-forwarded-for": f"9.9.{number // 250}.{number % 250}"}
                )

            answers = await asyncio.gather(*(ask(number) for number in range(100)))
            refused = [a for a in answers if a.status_code == 429]
            assert len(refused) > 50
            assert all(
                _is_problem(a, "too-many-requests") and int(a.headers["retry-after"]) >= 1 for a in refused
            )
            assert "address" in refused[0].headers["ratelimit-policy"]
            # The page and its files are no load, and a stream that is open stays open.
            assert (await client.get("/")).status_code == 200
    finally:
        await stack.having("gateway")


async def test_a_client_cannot_choose_its_address_and_a_known_balancer_can(stack: Containers) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
        await client.get("/jobs/spoofed", headers={"x-forwarded-for": "6.6.6.6"})
    assert '"client":"6.6.6.6"' not in await stack.logs("gateway")
    await stack.having("gateway", GATEWAY_TRUSTED_PROXIES=stack.subnet)
    try:
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
            await client.get("/jobs/balanced", headers={"x-forwarded-for": "6.6.6.6, 7.7.7.7"})

        async def look() -> bool:
            assert '"client":"7.7.7.7"' in await stack.logs("gateway")
            return True

        await until(look, within=10, what="the client's address behind a balancer")
    finally:
        await stack.having("gateway")


async def test_without_the_api_the_page_is_there_and_calls_are_told_to_come_again(stack: Containers) -> None:
    await stack.compose("stop", "api")
    try:
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=20) as client:
            assert (await client.get("/")).status_code == 200
            answer = await client.post("/jobs", json=_NOOP)
            assert answer.status_code == 503
            assert _is_problem(answer, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
    finally:
        await stack.up("api")


async def test_a_mounted_certificate_is_all_that_tls_needs(stack: Containers, certificate: Path) -> None:
    port = free_port()
    with_tls = ["deploy/compose/tls.yml"]
    await stack.having("gateway", overlays=with_tls, TLS_FOLDER=str(certificate), GATEWAY_TLS_PORT=str(port))
    try:
        context = ssl.create_default_context(cafile=str(certificate / "tls.crt"))
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            answer = await client.get(f"https://localhost:{port}/jobs?limit=1")
            assert answer.status_code == 200
            assert "max-age" in answer.headers["strict-transport-security"]
            moved = await client.get(f"http://localhost:{stack.port}/ui/jobs")
            assert (moved.status_code, moved.headers["location"]) == (
                308,
                f"https://localhost:{port}/ui/jobs",
            )
    finally:
        await stack.having("gateway")

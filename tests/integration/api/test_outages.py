"""The api while a server behind it is away: honest, quick, and whole again by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from job_contracts.topics import Topic
from jobstream_local.stack import Replicas
from tests.support.product import Product, Servers
from tests.support.proxy import Proxy
from tests.unit.api.fakes import task_doc

ALONE = Replicas(job_worker=0, result_worker=0, dlq_worker=0)


async def _seed(product: Product, uri: str) -> None:
    from tests.support.records import Records

    async with Records(uri, product.database) as records:
        await records.database["tasks"].insert_one(task_doc("noop"))


@pytest.fixture
async def mongo_proxy(servers: Servers) -> AsyncIterator[Proxy]:
    port = int(servers.mongo_uri.partition("://")[2].partition("/")[0].rpartition(":")[2])
    async with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
async def behind_proxy(servers: Servers, mongo_proxy: Proxy, tmp_path: Path) -> AsyncIterator[Product]:
    """An api that reaches MongoDB through a proxy only."""
    uri = f"mongodb://127.0.0.1:{mongo_proxy.port}/?directConnection=true"
    product = Product(tmp_path, servers=Servers(servers.bootstrap_servers, uri), replicas=ALONE)
    await _seed(product, servers.mongo_uri)
    await product.stack.up()
    yield product
    await product.stack.down()


@pytest.fixture
async def without_kafka(servers: Servers, tmp_path: Path) -> AsyncIterator[Product]:
    """An api whose Kafka is not there."""
    product = Product(tmp_path, servers=Servers("127.0.0.1:1", servers.mongo_uri), replicas=ALONE)
    await _seed(product, servers.mongo_uri)
    await product.stack.up_services()
    yield product
    await product.stack.down()


def _is_honest(answer: httpx.Response) -> bool:
    problem = answer.json()
    return (
        answer.status_code == 503
        and answer.headers["content-type"] == "application/problem+json"
        and int(answer.headers["retry-after"]) > 0
        and problem["type"] == "/problems/unavailable"
    )


async def test_while_mongodb_is_silent_everybody_gets_an_honest_503_in_time(
    behind_proxy: Product, mongo_proxy: Proxy
) -> None:
    async with behind_proxy.api() as api:
        job = await api.submit_surely()
        mongo_proxy.silence()
        began = time.monotonic()
        refused = 0
        while time.monotonic() - began < 8:
            answers = await asyncio.gather(
                *(api.post({"task": "noop"}) for _ in range(20)), api.get(f"/jobs/{job}"), api.get("/jobs")
            )
            assert all(_is_honest(answer) for answer in answers), [a.text for a in answers]
            refused += len(answers)
        assert max(post.seconds for post in api.history if post.status == 503) < 3
        status, _ = await behind_proxy.readiness(behind_proxy.names("api")[0])
        assert status == 503
        await mongo_proxy.heal()
        began = time.monotonic()
        await api.submit_surely(within=15)
        assert (await api.view(job))["state"] == "pending"
        assert refused > 0


async def test_while_mongodb_refuses_connections_the_answer_is_the_same(
    behind_proxy: Product, mongo_proxy: Proxy
) -> None:
    async with behind_proxy.api() as api:
        await api.submit_surely()
        await mongo_proxy.refuse()
        for _ in range(3):
            assert _is_honest(await api.post({"task": "noop"}))
        assert max(post.seconds for post in api.history if post.status == 503) < 3
        await mongo_proxy.heal()
        await api.submit_surely(within=15)


async def test_a_post_never_waits_for_kafka(without_kafka: Product) -> None:
    async with without_kafka.api() as api, without_kafka.records() as records:
        jobs = [await api.submit_surely() for _ in range(50)]
        assert max(post.seconds for post in api.history) < 2
        status, body = await without_kafka.readiness(without_kafka.names("api")[0])
        assert (status, body["status"]) == (200, "degraded")
        stats = (await api.get("/stats")).json()
        assert stats["lag"] is None
        # The promise is the record: the dispatcher finds these by their wake_at.
        for record in (await records.jobs(jobs)).values():
            assert (record["wake_at"] - record["created_at"]).total_seconds() < 6
        assert await without_kafka.counted("api", "announcements_dropped_total", topic=Topic.JOBS) >= 50


async def test_streams_live_on_without_kafka(without_kafka: Product) -> None:
    async with without_kafka.api() as api:
        job = await api.submit_surely(delay=600)
        async with without_kafka.events(f"/jobs/{job}/events") as events:
            await events.seen(job, "waiting")
            await api.cancel(job)
            await events.ended(within=10)
        assert events.states(job) == ["waiting", "cancelled"]

"""Searches on the whole line: what two workers ask of the upstream, and what the api tells of it."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.product import Product
from tests.support.records import Records
from tests.support.unsplash import KEY, Unsplash
from tests.support.waiting import until


@pytest.fixture(scope="module")
def replicas() -> Replicas:
    return Replicas(job_worker=2)


@pytest.fixture
async def upstream(product: Product) -> AsyncIterator[Unsplash]:
    with Unsplash() as upstream:
        settings = {"UNSPLASH__ACCESS_KEY": KEY, "UNSPLASH__BASE_URL": upstream.base_url}
        async with product.having("job-worker", **settings):
            yield upstream


async def test_two_hundred_searches_of_twelve_queries_are_twelve_calls(
    product: Product, api: Api, upstream: Unsplash
) -> None:
    batch = [{"task": "image.search", "payload": {"query": f"view {n % 12}", "count": 2}} for n in range(200)]
    jobs = await api.submit_batch(batch)
    async with product.records() as records:
        await records.all_final(jobs, within=60)
        assert await _ends(records, jobs) == {"succeeded": 200}
    assert len(upstream.requests) == 12
    views = [await api.view(job) for job in jobs]
    assert Counter(view["result"]["cache"] for view in views) == {"miss": 12, "hit": 188}
    assert await product.counted("job-worker", "answers_total", cache="hit") == 188
    assert await product.counted("job-worker", "upstream_calls_total", end="answered") == 12

    async def told() -> bool:
        upstreams = (await api.get("/tasks/image.search")).json()["upstreams"]
        assert upstreams, "the api reads them every two seconds"
        (told,) = upstreams
        assert told["name"] == "unsplash"
        quota = told["quota"]
        assert (quota["limit"], quota["remaining"], quota["waiting"]) == (50, 38, 0), told
        assert quota["resets_at"].endswith("Z")
        assert told["breaker"] == {"state": "closed", "since": None, "retry_at": None, "reason": None}
        assert (await api.get("/stats")).json()["upstreams"] == [told]
        return True

    await until(told, within=10, what="the api to tell what is left")
    assert KEY not in (await api.get("/tasks")).text


async def _ends(records: Records, jobs: list[str]) -> Counter[str]:
    return Counter(record["state"] for record in (await records.jobs(jobs)).values())

"""The profile `observability`: Prometheus finds every replica, and its rules are sound."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from jobstream_local.ports import free_port
from tests.compose.containers import SERVICES, Containers
from tests.support.waiting import until


@pytest.fixture(scope="module")
def prometheus(stack: Containers) -> Iterator[str]:
    """The address of Prometheus, started beside the stack."""
    port = free_port()
    stack.env["PROMETHEUS_PORT"] = str(port)
    asyncio.run(stack.compose("--profile", "observability", "up", "-d", "--wait", "--no-deps", "prometheus"))
    yield f"http://127.0.0.1:{port}"
    asyncio.run(stack.compose("--profile", "observability", "rm", "-s", "-f", "-v", "prometheus"))


async def _asked(prometheus: str, path: str, **query: str) -> Any:
    async with httpx.AsyncClient(base_url=prometheus, trust_env=False) as client:
        answer = await client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_every_replica_of_every_service_is_scraped(stack: Containers, prometheus: str) -> None:
    await stack.scale(job_worker=2)
    try:

        async def look() -> bool:
            found = await _asked(prometheus, "query", query='count by (service) (up{job="jobstream"} == 1)')
            seen = {row["metric"]["service"]: int(row["value"][1]) for row in found["result"]}
            assert seen == {**dict.fromkeys(SERVICES, 1), "job-worker": 2}
            return True

        await until(look, within=60, what="all replicas to be scraped", every=1)
    finally:
        await stack.scale(job_worker=1)


async def test_a_job_shows_in_the_figures(stack: Containers, prometheus: str) -> None:
    async with stack.api() as api:
        await api.finish(await api.submit())

    async def look() -> bool:
        for query in ("sum(job_seconds_count)", 'max(jobs{state="succeeded"})', "max(worker_slots)"):
            found = (await _asked(prometheus, "query", query=query))["result"]
            assert found, query
            assert float(found[0]["value"][1]) > 0, query
        return True

    await until(look, within=60, what="the job to be counted", every=1)


async def test_rules_are_loaded_and_none_has_an_error(prometheus: str) -> None:
    async def look() -> bool:
        rules = (await _asked(prometheus, "rules"))["groups"][0]["rules"]
        assert len(rules) >= 10
        assert {rule["health"] for rule in rules} == {"ok"}
        return True

    await until(look, within=40, what="all rules to be evaluated", every=1)


async def test_promtool_agrees_with_rules_and_their_tests(stack: Containers, prometheus: str) -> None:
    (container,) = await stack.ids("prometheus")
    for command in (
        ("check", "config", "/etc/prometheus/prometheus.yml"),
        ("test", "rules", "/etc/prometheus/alerts.test.yml"),
    ):
        code, told = await stack.execute(container, "promtool", *command)
        assert code == 0, told

"""The main job by the one door, and what each container may not do."""

import asyncio
import json
from urllib.parse import urlsplit

import httpx
import pytest

from tests.compose.containers import SERVICES, Containers


async def test_a_job_is_accepted_run_and_streamed_through_the_gateway(stack: Containers) -> None:
    async with stack.api() as api:
        job = await api.submit("image.search", {"query": "mountains", "count": 2})
        async with stack.events(f"/jobs/{job}/events") as events:
            await events.ended(within=30)
        assert events.states(job)[-1] == "succeeded"
        view = await api.finish(job)
        assert len(view["result"]["images"]) == 2


async def test_a_drawn_picture_is_fetched_once_and_then_served_from_the_cache(stack: Containers) -> None:
    async with stack.api() as api:
        job = await api.submit("image.search", {"query": "northern lights", "count": 1})
        view = await api.finish(job)
        path = view["result"]["images"][0]["urls"]["thumb"]
        first, second = await api.get(path), await api.get(path)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert first.content == second.content
    assert "immutable" in second.headers["cache-control"]


async def test_an_event_comes_through_the_gateway_as_soon_as_from_the_api(stack: Containers) -> None:
    (container,) = await stack.ids("api")
    direct = f"http://{await stack.address(container)}:8000"
    async with stack.api() as api, stack.events("/events") as by_gateway:
        from tests.support.events import Events

        async with Events(direct, "/events") as by_api:
            jobs = [await api.submit() for _ in range(20)]
            for job in jobs:
                await by_gateway.seen(job, "succeeded")
                await by_api.seen(job, "succeeded")
    late = sorted(by_gateway.of(job)[-1].at - by_api.of(job)[-1].at for job in jobs)
    # Buffering would hold events back until more came, or for a second.
    assert late[len(late) // 2] < 0.1, f"the gateway holds events back: {late}"


@pytest.mark.parametrize(
    "odd",
    [
        "/jobs/%2e%2e/images/{hash}",
        "/jobs/../images/{hash}",
        "/./images/{hash}",
        "//images/{hash}",
        "/%69mages/{hash}",
        "/images/{hash}?x=1",
    ],
)
async def test_a_path_that_is_written_in_another_way_leaves_nothing_in_the_place_of_a_picture(
    stack: Containers, odd: str
) -> None:
    async with stack.api() as api:
        job = await api.submit("image.search", {"query": f"a path {odd}", "count": 1})
        view = await api.finish(job)
    path = urlsplit(view["result"]["images"][0]["urls"]["thumb"]).path
    base = httpx.URL(stack.url)
    reader, writer = await asyncio.open_connection(base.host, base.port)
    target = odd.format(hash=path.rpartition("/")[2])
    head = f"GET {target} HTTP/1.1\r\nHost: {base.netloc.decode()}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    await reader.read()
    writer.close()
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        answers = [await client.get(path) for _ in range(2)]
    assert [(a.status_code, a.headers["x-cache"]) for a in answers] == [(200, "MISS"), (200, "HIT")]


async def test_a_key_in_env_reaches_who_reads_it_and_nobody_else(stack: Containers) -> None:
    keys = {"PIXABAY__API_KEY": "canary-pixabay", "ACCESS__PASSWORDS": '{"api":"canary-access"}'}
    told = json.loads(await stack.compose("config", "--format", "json", env=keys))["services"]
    holders = {name for name, service in told.items() if "canary" in json.dumps(service)}
    assert holders == {"job-worker"}


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
async def test_a_container_runs_without_root_without_rights_and_on_a_read_only_system(
    stack: Containers, service: str
) -> None:
    container = (await stack.ids(service))[0]
    _, user = await stack.execute(container, "id", "-u")
    assert user.strip() != "0"
    code, _ = await stack.execute(container, "sh", "-c", "touch /x || touch /app/x || touch /etc/x")
    assert code != 0
    _, status = await stack.execute(container, "cat", "/proc/self/status")
    assert "CapEff:\t0000000000000000" in status
    host = (await stack.inspect(container))["HostConfig"]
    assert host["Memory"] > 0
    assert host["ReadonlyRootfs"]
    assert "no-new-privileges:true" in host["SecurityOpt"]


@pytest.mark.parametrize("service", SERVICES)
async def test_an_image_has_no_compiler_and_names_what_it_is(stack: Containers, service: str) -> None:
    container = (await stack.ids(service))[0]
    code, _ = await stack.execute(container, "sh", "-c", "command -v gcc cc uv")
    assert code != 0
    config = (await stack.inspect(container))["Config"]
    assert config["Labels"]["org.opencontainers.image.title"] == f"jobstream/{service}"
    assert config["StopSignal"] == "SIGTERM"


async def test_only_the_gateway_can_be_reached_from_outside_and_on_loopback_alone(stack: Containers) -> None:
    published = {}
    for service in (*SERVICES, "gateway", "kafka", "mongo"):
        container = (await stack.ids(service))[0]
        bindings = (await stack.inspect(container))["HostConfig"]["PortBindings"] or {}
        if bindings:
            published[service] = bindings
    assert published == {"gateway": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]}}


async def test_ops_paths_are_not_on_the_public_port(stack: Containers) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
        for path in ("/metrics", "/livez", "/readyz", "/readyz/", "/jobs/../metrics"):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/problem+json"

"""The whole product under test: its processes, and the drivers to speak to it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from jobstream_local.services import Service
from jobstream_local.stack import Ports, Replicas, Stack
from tests.support.api import Api
from tests.support.events import Events
from tests.support.records import Records
from tests.support.topics import TopicProbe, skip_to_the_ends

SERVICES: Final = ("api", "job-worker", "result-worker", "dlq-worker")


@dataclass(frozen=True, slots=True)
class Servers:
    """A Kafka with its topics in place, and a MongoDB."""

    bootstrap_servers: str
    mongo_uri: str


def asked_for() -> str:
    """Return `local`, `containers` or `external`: where the suite's servers come from (TEST_SERVERS)."""
    kind = os.environ.get("TEST_SERVERS") or "local"
    if kind not in {"local", "containers", "external"}:
        pytest.exit(f"TEST_SERVERS={kind}: local, containers or external was expected", returncode=4)
    return kind


class Product:
    """Services on their servers, with a database of their own.

    Without `servers` it starts its own Kafka and mongod, so that a test may break them. Further
    options are those of `Stack`.
    """

    def __init__(
        self,
        home: Path,
        *,
        replicas: Replicas | None = None,
        servers: Servers | None = None,
        env: Mapping[str, str] | None = None,
        page: Path | None = None,
        **options: Any,
    ) -> None:
        self.database = f"test-{uuid4().hex[:12]}"
        self._servers = servers
        self.stack = Stack(
            home,
            ports=Ports.free(),
            replicas=replicas,
            env={"MONGO__DATABASE": self.database, "LOG__FORMAT": "text", **(env or {})},
            bootstrap_servers=servers.bootstrap_servers if servers else None,
            mongo_uri=servers.mongo_uri if servers else None,
            page=page,
            **options,
        )

    def up(self) -> None:
        """Start everything and wait until it is ready."""
        asyncio.run(self._up())

    async def _up(self) -> None:
        if self._servers:
            # Topic names are fixed: what the product of another module has left is not ours to read.
            await skip_to_the_ends(self._servers.bootstrap_servers)
        try:
            await self.stack.up()
        except BaseException:
            await self.stack.down()
            raise

    def down(self) -> None:
        """End everything."""
        asyncio.run(self.stack.down())

    async def heal(self) -> None:
        """Undo what a test has done to the processes: all run, none is frozen, all are ready."""
        for part in self.stack.parts.values():
            part.resume()
        for kinds in (("mongod", "kafka"), (*SERVICES, "web")):
            parts = [p for p in self.stack.parts.values() if p.kind in kinds]
            await asyncio.gather(*(p.start() for p in parts if not p.process.alive))
            await asyncio.gather(*(p.wait_ready() for p in parts))

    @asynccontextmanager
    async def having(self, kind: str, **env: str) -> AsyncIterator[None]:
        """Run the processes of a kind under other settings, such as `having("job-worker", BRAKE__RUN="5")`."""
        async with self.having_each({service.name: env for service in self.services(kind)}):
            yield

    @asynccontextmanager
    async def having_each(self, envs: Mapping[str, Mapping[str, str]]) -> AsyncIterator[None]:
        """Run services under other settings, each by its name under its own."""
        services = [self.service(name) for name in envs]
        before = [dict(service.env) for service in services]
        try:
            await asyncio.gather(*(service.stop() for service in services))
            for service in services:
                service.env.update(envs[service.name])
            await asyncio.gather(*(service.start() for service in services))
            yield
        finally:
            await asyncio.gather(*(service.stop() for service in services))
            for service, env_before in zip(services, before, strict=True):
                service.env.clear()
                service.env.update(env_before)
            await asyncio.gather(*(service.start() for service in services))

    # --- drivers
    def api(self, replica: int | None = None, **options: Any) -> Api:
        """A client of all api replicas in turn, or of one (from 1)."""
        urls = self.stack.api_urls
        return Api(*(urls if replica is None else [urls[replica - 1]]), **options)

    def events(self, path: str, *, replica: int = 1, again: bool = False) -> Events:
        """A reader of one event stream."""
        return Events(self.stack.api_urls[replica - 1], path, again=again)

    def resuming(self, path: str, *, replica: int = 1) -> Events:
        """A reader that, cut off, goes on at the next replica where it was."""
        urls = self.stack.api_urls
        return Events([*urls[replica - 1 :], *urls[: replica - 1]], path, resume=True)

    def records(self) -> Records:
        return Records(self.stack.mongo_uri, self.database)

    def topics(self) -> TopicProbe:
        return TopicProbe(self.stack.bootstrap_servers)

    # --- processes
    def names(self, kind: str) -> list[str]:
        """Names of all processes of a kind."""
        return [part.name for part in self.stack.of(kind)]

    def services(self, *kinds: str) -> list[Service]:
        """Its services of these kinds, or all of them."""
        return [self.service(name) for kind in kinds or SERVICES for name in self.names(kind)]

    def service(self, name: str) -> Service:
        part = self.stack.part(name)
        assert isinstance(part, Service)
        return part

    async def metrics(self, name: str) -> list[Sample]:
        """What a service counts."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.service(name).ops_url}/metrics")
        return [s for family in text_string_to_metric_families(answer.text) for s in family.samples]

    async def counted(self, kind: str, metric: str, **labels: str) -> float:
        """The sum of a counter over all processes of a kind."""
        samples = [s for name in self.names(kind) for s in await self.metrics(name)]
        return sum(s.value for s in samples if s.name == metric and labels.items() <= s.labels.items())

    async def readiness(self, name: str) -> tuple[int, dict[str, Any]]:
        """What `/readyz` of a service answers."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(self.service(name).probe)
        return answer.status_code, answer.json()

    async def worker_of(self, worker_id: str) -> str:
        """The name of the job-worker process that has this worker id."""
        for name in self.names("job-worker"):
            log = self.stack.part(name).process.log.read_text(errors="replace")
            if worker_id in log:
                return name
        raise AssertionError(f"no job-worker has the id {worker_id}")

    def cpu(self, kind: str) -> "CpuWatch":
        """Begin to measure the CPU time of all processes of a kind."""
        pids = [p.process.pid for p in self.stack.of(kind)]
        return CpuWatch([psutil.Process(pid) for pid in pids if pid])


class CpuWatch:
    """CPU time used since it was made."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._used = self._seconds()
        self._at = time.monotonic()

    def _seconds(self) -> float:
        return sum(t.user + t.system for t in (p.cpu_times() for p in self._processes))

    def cores(self) -> float:
        """Cores kept busy on average since then, all processes together."""
        return (self._seconds() - self._used) / (time.monotonic() - self._at)

"""The whole product on this machine: servers, set-up, services, web server; each part by its name.

    async with Stack(home, ports=Ports.free(), replicas=Replicas(job_worker=2), env={"LOG__LEVEL": "DEBUG"}) as stack:
        httpx.post(f"{stack.api_url}/jobs", json={"task": "noop"})
        await stack.kill("job-worker-1")       # SIGKILL; comes back if the stack supervises
        await stack.start("job-worker-1")

The coroutines run in any event loop: nothing in a stack belongs to one.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jobstream_local.kafka import Kafka
from jobstream_local.mongod import Mongod
from jobstream_local.part import NotReadyError, Part
from jobstream_local.ports import LOOPBACK, PortInUseError, free_port, is_free
from jobstream_local.process import Process
from jobstream_local.services import Service, Web
from jobstream_local.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Ports:
    """What listens where; 0 takes a free one. Replica i of the api listens on `api` + i."""

    api: int = 8000
    web: int = 5173
    kafka: int = 9092
    mongo: int = 27017

    @classmethod
    def free(cls) -> Self:
        """Any ports: for tests."""
        return cls(api=0, web=0, kafka=0, mongo=0)


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many processes of each kind; more than one broker or member makes a cluster."""

    api: int = 1
    job_worker: int = 1
    result_worker: int = 1
    dlq_worker: int = 1
    kafka: int = 1
    mongod: int = 1

    @classmethod
    def none(cls) -> Self:
        """The servers alone."""
        return cls(api=0, job_worker=0, result_worker=0, dlq_worker=0)


class Stack:
    """A set of parts with one home folder.

    Parameters
    ----------
    home
        Data, logs and settings; found again by the next stack with the same home.
    ports
        Where the parts listen.
    replicas
        How many of each.
    env
        Settings for the services, on top of this process's environment.
    bootstrap_servers
        A Kafka that runs already; then none is started.
    mongo_uri
        A MongoDB that runs already; then none is started.
    page
        The built page; with it a web server is started.
    kafka_advertised
        The port clients are told instead of Kafka's own (a proxy stands there).
    mongo_advertised
        The same for mongod.
    kafka_properties
        Broker settings on top of ours.
    supervise
        Whether a part that dies is started again, as Compose would.
    say
        Told each step, for a person who waits.
    """

    def __init__(
        self,
        home: Path,
        *,
        ports: Ports | None = None,
        replicas: Replicas | None = None,
        env: Mapping[str, str] | None = None,
        bootstrap_servers: str | None = None,
        mongo_uri: str | None = None,
        page: Path | None = None,
        kafka_advertised: int | None = None,
        mongo_advertised: int | None = None,
        kafka_properties: Mapping[str, str] | None = None,
        supervise: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home.resolve()
        self.ports = ports or Ports()
        self.replicas = replicas or Replicas()
        self._say = say
        self.parts: dict[str, Part] = {}
        wanted = _numbers(self.ports.kafka, self.replicas.kafka if bootstrap_servers is None else 0)
        voters = {n: free_port() for n in range(1, len(wanted) + 1)}
        brokers = [
            Kafka(
                name=_numbered("kafka", n, len(wanted)),
                home=self.home,
                node=n,
                port=port,
                voters=voters,
                advertised=kafka_advertised if len(wanted) == 1 else None,
                properties=kafka_properties,
            )
            for n, port in enumerate(wanted, 1)
        ]
        wanted = _numbers(self.ports.mongo, self.replicas.mongod if mongo_uri is None else 0)
        members = [
            Mongod(
                name=_numbered("mongod", n, len(wanted)),
                home=self.home,
                port=port,
                members=wanted,
                advertised=mongo_advertised,
            )
            for n, port in enumerate(wanted, 1)
        ]
        self.bootstrap_servers = bootstrap_servers or ",".join(b.address for b in brokers)
        self.mongo_uri = mongo_uri or members[0].uri
        self.env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
            "KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "MONGO__URI": self.mongo_uri,
        }
        self.env.setdefault("KAFKA__REPLICATION", str(min(3, len(brokers)) or 1))
        self._servers: list[Part] = [*members, *brokers]
        apis = [
            Service(f"api-{n}", home=self.home, kind="api", ops=free_port(), http=port, env=self.env)
            for n, port in enumerate(_numbers(self.ports.api, self.replicas.api), 1)
        ]
        workers = [
            Service(f"{kind}-{n}", home=self.home, kind=kind, ops=free_port(), env=self.env)
            for kind in ("job-worker", "result-worker", "dlq-worker")
            for n in range(1, getattr(self.replicas, kind.replace("-", "_")) + 1)
        ]
        self.api_urls = [f"http://{LOOPBACK}:{part.ports['http']}" for part in apis]
        self._services: list[Part] = [*apis, *workers]
        self._web: list[Part] = []
        self.web_url = ""
        if page and apis:
            web = Web(
                name="web",
                home=self.home,
                port=self.ports.web or free_port(),
                page=page,
                upstreams=self.api_urls,
                env=self.env,
            )
            self._web, self.web_url = [web], web.url
        self.parts = {part.name: part for part in (*self._servers, *self._services, *self._web)}
        self._supervisor = Supervisor(list(self.parts.values()), say)
        self.supervise = supervise

    # --- the whole
    @property
    def api_url(self) -> str:
        """The first api replica."""
        return self.api_urls[0]

    async def __aenter__(self) -> Self:
        try:
            await self.up()
        except BaseException:
            await self.down()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    def check_ports(self) -> None:
        """See that every port is free.

        Raises
        ------
        PortInUseError
            One is not; names the port and the setting.
        """
        variables = {"kafka": "KAFKA_PORT", "mongod": "MONGO_PORT", "api": "API_PORT", "web": "WEB_PORT"}
        for part in self.parts.values():
            port = next(iter(part.ports.values()))
            if variable := variables.get(part.kind):
                deadline = time.monotonic() + 2  # its last owner may be about to end
                while not is_free(port):
                    if time.monotonic() > deadline or not self._own(part):
                        raise PortInUseError(port, variable, part.name)
                    time.sleep(0.05)

    def _own(self, part: Part) -> bool:
        """Whether an earlier run of this home may still hold the port."""
        return part.process.log.exists() and time.time() - part.process.log.stat().st_mtime < 30

    async def up(self) -> None:
        """Start everything, in order, and wait until all of it is ready."""
        await self.up_servers()
        await self.set_up()
        await self.up_services()
        await self.up_web()

    async def up_servers(self) -> None:
        """Start Kafka and MongoDB and wait until they are ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.check_ports()
        await asyncio.gather(*(self._bring(part) for part in self._servers))

    async def set_up(self) -> None:
        """Create the topics (`python -m jobstream_setup`); nothing happens to those that exist.

        Raises
        ------
        NotReadyError
            It could not.
        """
        log = self.home / "logs" / "setup.log"
        command = [sys.executable, "-m", "jobstream_setup"]
        process = Process("setup", lambda: command, log=log, env=lambda: self.env, cwd=self.home)
        began = time.monotonic()
        process.start()
        if not await process.ended(within=120):
            await process.kill()
        if process.exit_code:
            msg = f"the set-up of topics failed; its log: {log}\n{process.tail()}"
            raise NotReadyError(msg)
        self._say(f"topics in place ({time.monotonic() - began:.1f} s)")

    async def up_services(self) -> None:
        """Start the services and wait until they are ready."""
        await asyncio.gather(*(self._bring(part) for part in self._services))

    async def up_web(self) -> None:
        """Start the web server, if there is a page for it."""
        await asyncio.gather(*(self._bring(part) for part in self._web))

    async def _bring(self, part: Part) -> None:
        began = time.monotonic()
        await part.start()
        self._say(
            f"{part.name} ready on {next(iter(part.ports.values()))} ({time.monotonic() - began:.1f} s)"
        )

    async def down(self) -> None:
        """End everything: the page first, then the services, then the servers they need."""
        self._supervisor.end()
        for group in (self._web, self._services, self._servers):
            await asyncio.gather(*(part.stop() for part in group))

    def kill_all(self) -> None:
        """End everything at once, without asking."""
        self._supervisor.end()
        for part in self.parts.values():
            part.expected = False
            part.process.signal(signal.SIGKILL)

    # --- one part
    def part(self, name: str) -> Part:
        """A part by name.

        Raises
        ------
        KeyError
            There is none; the message lists those there are.
        """
        try:
            return self.parts[name]
        except KeyError:
            msg = f"no part {name!r}; there are: {', '.join(self.parts)}"
            raise KeyError(msg) from None

    def of(self, kind: str) -> list[Part]:
        """All parts of a kind, such as `job-worker`."""
        return [part for part in self.parts.values() if part.kind == kind]

    async def start(self, name: str, *, within: float = 60) -> None:
        """Start one part and wait until it is ready."""
        await self.part(name).start(within=within)

    async def stop(self, name: str) -> None:
        """End one part in its own order; it stays down."""
        await self.part(name).stop()

    async def kill(self, name: str) -> None:
        """SIGKILL one part; it comes back if the stack supervises."""
        await self.part(name).kill()

    def pause(self, name: str) -> None:
        """SIGSTOP one part."""
        self.part(name).pause()

    def resume(self, name: str) -> None:
        """SIGCONT one part."""
        self.part(name).resume()

    async def ready(self, name: str, *, within: float = 60) -> None:
        """Wait until one part is ready."""
        await self.part(name).wait_ready(within=within)

    # --- supervision
    @property
    def supervise(self) -> bool:
        """Whether a part that dies is started again; may be switched at any time."""
        return self._supervisor.on

    @supervise.setter
    def supervise(self, on: bool) -> None:
        self._supervisor.on = on


def _numbers(first: int, count: int) -> list[int]:
    """Ports of `count` replicas: from `first` on, or free ones."""
    return [first + n if first else free_port() for n in range(count)]


def _numbered(name: str, n: int, count: int) -> str:
    """One is `kafka`; several are `kafka-1`, `kafka-2` and so on."""
    return name if count == 1 else f"{name}-{n}"

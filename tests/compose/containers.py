"""The product in containers, driven as an operator drives it: by `docker compose` and `docker`."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from jobstream_local.ports import free_port
from tests.support.api import Api
from tests.support.events import Events
from tests.support.records import Records
from tests.support.waiting import until

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("api", "job-worker", "result-worker", "dlq-worker")


class Containers:
    """One project of Compose, of its own name, port and subnet: it can live beside a stack that runs already.

    Parameters
    ----------
    overlays
        Files that are laid over `docker-compose.yml`.
    env
        Variables for the files.
    """

    def __init__(
        self, name: str, *, subnet: str, overlays: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.subnet = name, subnet
        self.port = free_port()
        self._files = ["docker-compose.yml", *overlays]
        self.env = {
            "GATEWAY_PORT": str(self.port),
            "FRONT_SUBNET": subnet,
            "GATEWAY_RATE_PER_ADDRESS": "5000",
            "GATEWAY_RATE_PER_KEY": "5000",
            **(env or {}),
        }

    # --- commands
    async def compose(
        self, *arguments: str, env: Mapping[str, str] | None = None, within: float = 300
    ) -> str:
        """Run `docker compose` for this project, and return what it printed."""
        files = [part for file in self._files for part in ("-f", file)]
        command = ["docker", "compose", "-p", self.name, *files, *arguments]
        return await _run(*command, env={**self.env, **(env or {})}, within=within)

    async def up(self, *arguments: str) -> None:
        """Start what is named, or all, and wait until it is healthy."""
        await self.compose("up", "-d", "--wait", *arguments)

    async def having(self, service: str, *, overlays: Sequence[str] = (), **env: str) -> None:
        """Make one service anew with other variables; without any, as it was."""
        files = [part for file in overlays for part in ("-f", file)]
        await self.compose(*files, "up", "-d", "--wait", "--no-deps", service, env=env)

    async def down(self) -> None:
        """End it and drop its data."""
        await self.compose("--profile", "observability", "down", "-v", "-t", "5", "--remove-orphans")

    async def scale(self, **replicas: int) -> None:
        """Have so many replicas, such as `scale(job_worker=4)`; nothing that runs is touched otherwise."""
        wanted = [f"{service.replace('_', '-')}={count}" for service, count in replicas.items()]
        await self.up("--no-recreate", *(part for one in wanted for part in ("--scale", one)))

    async def ids(self, service: str) -> list[str]:
        """Containers of a service, those that do not run included."""
        return (await self.compose("ps", "-a", "-q", service)).split()

    async def kill(self, container: str) -> None:
        """SIGKILL, as by the kernel when memory is short: the restart policy does not bring it back after this."""
        await _run("docker", "kill", "-s", "KILL", container)

    async def start(self, container: str) -> None:
        await _run("docker", "start", container)

    async def stop(self, container: str) -> int:
        """SIGTERM and the grace of the compose file; return the exit code."""
        await _run("docker", "stop", container)
        state = await self.inspect(container)
        return int(state["State"]["ExitCode"])

    async def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await _run("docker", "inspect", container))[0]
        return found

    async def execute(self, container: str, *command: str) -> tuple[int, str]:
        """Run a command in a container, and return its exit code and what it printed."""
        return await _attempt("docker", "exec", container, *command)

    async def python(self, service: str, source: str) -> str:
        """Run Python in a service's container with the service's own settings."""
        container = (await self.ids(service))[0]
        code, told = await self.execute(container, "python", "-c", source)
        assert code == 0, told
        return told

    async def logs(self, *services: str) -> str:
        return await self.compose("logs", "--no-color", "--no-log-prefix", *services)

    @asynccontextmanager
    async def paused(self, service: str) -> AsyncIterator[None]:
        """Freeze all containers of a service."""
        await self.compose("pause", service)
        try:
            yield
        finally:
            await self.compose("unpause", service)

    @asynccontextmanager
    async def cut_off(self, service: str, network: str = "back") -> AsyncIterator[None]:
        """Take a server from its network; its name comes back with it."""
        (container,) = await self.ids(service)
        await _run("docker", "network", "disconnect", f"{self.name}_{network}", container)
        try:
            yield
        finally:
            await _run(
                "docker", "network", "connect", "--alias", service, f"{self.name}_{network}", container
            )

    async def healthy(self, container: str, *, within: float = 90) -> None:
        async def look() -> bool:
            state = (await self.inspect(container))["State"]
            health = state.get("Health", {}).get("Status")
            assert health == "healthy", f"{state['Status']}, {health}"
            return True

        await until(look, within=within, what=f"{container[:12]} to be healthy", every=0.5)

    # --- drivers
    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://127.0.0.1:{self.port}"

    def api(self, **options: Any) -> Api:
        return Api(self.url, **options)

    def events(self, path: str, *, again: bool = False) -> Events:
        return Events(self.url, path, again=again)

    async def address(self, container: str, network: str = "back") -> str:
        """Where this machine reaches a container."""
        networks = (await self.inspect(container))["NetworkSettings"]["Networks"]
        return str(networks[f"{self.name}_{network}"]["IPAddress"])

    async def records(self) -> Records:
        """What MongoDB holds; its set names itself `mongo`, a name this machine does not know."""
        (mongo,) = await self.ids("mongo")
        return Records(f"mongodb://{await self.address(mongo)}:27017/?directConnection=true", "jobstream")


async def _attempt(
    *command: str, env: Mapping[str, str] | None = None, within: float = 120
) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        told, _ = await asyncio.wait_for(process.communicate(), within)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode or 0, told.decode(errors="replace")


async def _run(*command: str, env: Mapping[str, str] | None = None, within: float = 120) -> str:
    code, told = await _attempt(*command, env=env, within=within)
    assert code == 0, f"`{' '.join(command)}` ended with {code}: {told[-2000:]}"
    return told

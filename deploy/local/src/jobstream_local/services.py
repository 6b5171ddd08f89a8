"""The product's own processes: the four services, the set-up before them, the web server in front of them."""

import asyncio
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jobstream_local.part import Part
from jobstream_local.ports import LOOPBACK


class Service(Part):
    """One replica of a service, told its ports by `OPS__PORT` and, for the api, `HTTP__PORT`.

    Parameters
    ----------
    kind
        `api`, `job-worker`, `result-worker` or `dlq-worker`; the module is the same with `_`.
    http
        The public port of an api replica.
    env
        Everything else it is told.
    """

    def __init__(
        self,
        name: str,
        *,
        kind: str,
        home: Path,
        ops: int,
        env: Mapping[str, str],
        http: int | None = None,
    ) -> None:
        ports = {"http": http, "ops": ops} if http else {"ops": ops}
        super().__init__(name, kind=kind, home=home, ports=ports, grace=30)
        self.env = {**env, "OPS__PORT": str(ops), **({"HTTP__PORT": str(http)} if http else {})}
        """May be changed between a stop and a start."""

    @property
    def ops_url(self) -> str:
        """Where `/livez`, `/readyz` and `/metrics` are."""
        return f"http://{LOOPBACK}:{self.ports['ops']}"

    @property
    def probe(self) -> str:
        """Its own word on whether it is ready."""
        return f"{self.ops_url}/readyz"

    def command(self) -> Sequence[str]:
        """`python -m <service>` with the Python of this environment."""
        return [sys.executable, "-m", self.kind.replace("-", "_")]

    def environ(self) -> Mapping[str, str]:
        """What it was given."""
        return self.env

    async def ready(self) -> bool:
        """Whether `/readyz` says so."""
        return await asyncio.to_thread(answers, self.probe)


class Web(Part):
    """The page and the proxy to the api replicas, as the gateway is elsewhere."""

    def __init__(
        self,
        *,
        home: Path,
        port: int,
        page: Path,
        upstreams: Sequence[str],
        env: Mapping[str, str],
        name: str = "web",
    ) -> None:
        super().__init__(name, kind="web", home=home, ports={"http": port}, grace=5)
        self._page = page
        self._upstreams = tuple(upstreams)
        self._env = env

    @property
    def url(self) -> str:
        """Where a person looks."""
        return f"http://localhost:{self.ports['http']}"

    @property
    def probe(self) -> str:
        """It answers when it is up, whatever the api says."""
        return f"http://{LOOPBACK}:{self.ports['http']}/web-healthz"

    def command(self) -> Sequence[str]:
        """Its module with its settings as arguments."""
        arguments = ["--port", str(self.ports["http"]), "--page", str(self._page)]
        return [sys.executable, "-m", "jobstream_local.web", *arguments, *self._upstreams]

    def environ(self) -> Mapping[str, str]:
        """What it was given."""
        return self._env

    async def ready(self) -> bool:
        """Whether it answers."""
        return await asyncio.to_thread(answers, self.probe)


_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine itself, whatever proxy the environment names for the rest of the world."""


def answers(url: str, patience: float = 2.0) -> bool:
    """Whether a URL answers 200 within `patience` seconds."""
    try:
        with _direct.open(url, timeout=patience) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False

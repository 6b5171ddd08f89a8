"""A part of the stack: a process that others can reach, known by a name such as `kafka` or `job-worker-1`."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobstream_local.process import Process


class NotReadyError(RuntimeError):
    """A part ended, or did not answer in time; the message shows the end of its log."""


class Part(ABC):
    """What kafka, mongod, the four services and the web server have in common.

    Parameters
    ----------
    name
        Unique in its stack; also the name of its log, `logs/<name>.log`.
    kind
        What it is one of: `kafka`, `mongod`, `web`, or the service's name.
    ports
        What it listens on, by purpose (`http`, `ops`, …).
    grace
        Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, name: str, *, kind: str, home: Path, ports: Mapping[str, int], grace: float) -> None:
        self.name = name
        self.kind = kind
        self.ports = dict(ports)
        self.grace = grace
        self.expected = False
        """Whether it should run: what the supervisor brings back when it does not."""
        self.comes_back = False
        """Whether somebody does so: then its death is no reason to stop waiting for it."""
        self.extra_env: dict[str, str] = {}
        """On top of its environment from the next start on: for tests that let it see another world."""
        log = home / "logs" / f"{name}.log"
        self.process = Process(name, self.command, log=log, env=self._whole_env, cwd=home)

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line; asked for at each start."""

    @abstractmethod
    def environ(self) -> Mapping[str, str]:
        """The whole environment; asked for at each start."""

    def _whole_env(self) -> Mapping[str, str]:
        return {**self.environ(), **self.extra_env}

    @abstractmethod
    async def ready(self) -> bool:
        """Whether it does its work now."""

    def prepare(self) -> None:  # noqa: B027 -- most parts need nothing
        """What must be on disk before it starts; may block."""

    async def settle(self, *, within: float) -> None:  # noqa: B027 -- most parts need nothing
        """What must be done once it runs, before anyone uses it."""

    @property
    def probe(self) -> str:
        """Where `make status` asks: `http://…` for a 200, or `tcp:<port>`."""
        return f"tcp:{next(iter(self.ports.values()))}"

    async def start(self, *, within: float = 60) -> None:
        """Start it and wait until it is ready.

        Raises
        ------
        NotReadyError
            It ended, or was not ready in time.
        """
        await asyncio.to_thread(self.prepare)
        self.expected = True
        self.process.start()
        await self.settle(within=within)
        await self.wait_ready(within=within)

    async def wait_ready(self, *, within: float = 60) -> None:
        """Wait until it is ready.

        Raises
        ------
        NotReadyError
            It ended, or was not ready in time.
        """
        deadline = time.monotonic() + within
        while not (self.process.alive and await self.ready()):
            if not self.process.alive and not self.comes_back:
                raise NotReadyError(self.complaint(f"ended with exit code {self.process.exit_code}"))
            if time.monotonic() > deadline:
                raise NotReadyError(self.complaint(f"was not ready within {within:.0f} s"))
            await asyncio.sleep(0.03)

    async def stop(self) -> None:
        """End it in its own order."""
        self.expected = False
        await self.process.stop(grace=self.grace)

    async def kill(self) -> None:
        """End it as a power cut would. It stays expected: a supervisor brings it back."""
        await self.process.kill()

    def pause(self) -> None:
        """Freeze it."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.process.resume()

    def complaint(self, what: str) -> str:
        """One message: what is wrong, where the log is, and its end."""
        tail = "\n".join(f"    {line}" for line in self.process.tail().splitlines())
        return f"{self.name} {what}; its log: {self.process.log}\n{tail}"

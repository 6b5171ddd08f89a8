"""A network of its own for a client, whose cable can be pulled: nobody is told, no FIN and no reset is sent."""

import asyncio
import os
import shutil
import subprocess
import sys
from types import TracebackType
from typing import Final, Self

import pytest

_CLIENT: Final = """
import socket, sys
host, port, watchdog = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
while True:
    try:
        with socket.create_connection((host, port), timeout=watchdog) as stream:
            stream.sendall(b"GET /events HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
            stream.recv(65536)
            print("open", flush=True)
            while stream.recv(65536):
                pass
    except OSError as error:
        print("silent" if isinstance(error, TimeoutError) else f"lost: {error}", flush=True)
"""


class FarClient:
    """A reader of `/events` that takes its stream for dead after `watchdog` silent seconds and opens another.

    Skips the test where the system does not let us make a network.
    """

    def __init__(self, port: int, *, watchdog: float) -> None:
        number = os.getpid() % 200
        self.host = f"10.213.{number}.1"
        self._client = f"10.213.{number}.2"
        self._space, self._cable = f"far{number}", f"near{number}"
        self._port, self._watchdog = port, watchdog
        self._process: asyncio.subprocess.Process | None = None
        self.said: list[str] = []
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("a network of its own needs Linux, root and iproute2")
        try:
            self._ip("netns", "add", self._space)
            self._ip("link", "add", self._cable, "type", "veth", "peer", "name", "far", "netns", self._space)
            self._ip("addr", "add", f"{self.host}/30", "dev", self._cable)
            self._ip("link", "set", self._cable, "up")
            self._ip("-n", self._space, "addr", "add", f"{self._client}/30", "dev", "far")
            self._ip("-n", self._space, "link", "set", "far", "up")
        except subprocess.CalledProcessError as error:
            self._undo()
            pytest.skip(f"this system makes no network: {error.stderr.strip()}")
        self._process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self._space, sys.executable, "-c", _CLIENT),
            *(self.host, str(self._port), str(self._watchdog)),
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen(), name="far client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        if self._listening is not None:
            self._listening.cancel()
        self._undo()

    def pull(self) -> None:
        """Pull the cable at the client's end."""
        self._ip("-n", self._space, "link", "set", "far", "down")

    def plug(self) -> None:
        """Put it back."""
        self._ip("-n", self._space, "link", "set", "far", "up")

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(line.decode().strip())

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def _undo(self) -> None:
        # The cable goes with the network at either of its ends.
        subprocess.run(["ip", "netns", "del", self._space], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self._cable], check=False, capture_output=True)

"""A TCP proxy on one hop that can be cut, refuse, go silent and heal."""

import asyncio
import contextlib
import socket
from enum import Enum
from typing import Self

from jobstream_local.ports import LOOPBACK, free_port


class Mood(Enum):
    """What the proxy does with connections."""

    OPEN = "passes everything on"
    REFUSING = "nobody listens"
    SILENT = "accepts, and passes nothing on"


class Proxy:
    """Passes bytes on between a port of its own and a server's, until told otherwise."""

    def __init__(self, target: int, *, port: int | None = None) -> None:
        self._target = target
        self.port = port or free_port()
        self.mood = Mood.OPEN
        self.accepted = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every open connection; new ones are accepted."""
        for writer in list(self._open):
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    # Linger 0: the other end sees a reset, not a polite end.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()

    async def refuse(self) -> None:
        """Cut, and listen no more."""
        self.mood = Mood.REFUSING
        self._flowing.set()
        if self._server:
            self._server.close()
            self._server = None
        self.cut()

    def silence(self) -> None:
        """Keep every connection and pass nothing on, as a dead router does."""
        self.mood = Mood.SILENT
        self._flowing.clear()

    async def heal(self) -> None:
        """Pass everything on again; what a silent time held back goes out."""
        self.mood = Mood.OPEN
        self._flowing.set()
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio's server asks the ended task for its exception, and a cancelled one has none to give.
        with contextlib.suppress(asyncio.CancelledError):
            await self._join(reader, writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        self._open.add(writer)
        try:
            await self._flowing.wait()
            there, back = await asyncio.open_connection(LOOPBACK, self._target)
            self._open.add(back)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass_on(reader, back))
                    both.create_task(self._pass_on(there, writer))
            finally:
                self._open.discard(back)
                back.transport.abort()
        except* OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

"""What a proxy may do to the bytes it passes on."""

import asyncio
import contextlib
import random
import socket
from typing import Final

_WHOLE: Final = 65_536
_PER_SECOND: Final = 20
"""Pieces a second of a throttled connection."""


class Toxics:
    """What is wrong with a link now, for all its connections; changed in the loop of the proxy alone."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._delay = 0.0, 0.0
        self.rate: int | None = None
        self.answers: int | None = None
        """Bytes of answers a connection may still give."""
        self.armed = 0
        """Counts the calls of `cut_answers`: a connection counts its bytes anew after each."""
        self.flowing = asyncio.Event()
        self.flowing.set()

    def clear(self) -> None:
        """Nothing is wrong."""
        self._delay, self.rate, self.answers = (0.0, 0.0), None, None
        self.flowing.set()

    def hold(self) -> None:
        self.flowing.clear()

    def delay(self, mean: float, jitter: float) -> None:
        self._delay = mean, jitter

    def throttle(self, bytes_per_s: int) -> None:
        self.rate = bytes_per_s

    def cut_answers(self, after_bytes: int) -> None:
        self.answers = after_bytes
        self.armed += 1

    def lateness(self) -> float:
        """Seconds by which what comes now is late."""
        mean, jitter = self._delay
        return max(0.0, self._chance.uniform(mean - jitter, mean + jitter))

    @property
    def piece(self) -> int:
        """Bytes passed on at once."""
        return _WHOLE if self.rate is None else max(1, self.rate // _PER_SECOND)


class Pipe:
    """One direction of one connection: what is read goes out when it is due, in order."""

    def __init__(
        self,
        toxics: Toxics,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool = False,
    ) -> None:
        self._toxics, self._reader, self._writer = toxics, reader, writer
        self._answers = answers
        self._given, self._armed = 0, 0
        self._late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=16)

    async def run(self) -> None:
        """Pass on until the reader ends; then the writer is told so.

        Raises
        ------
        ConnectionResetError
            The toxics want this connection gone.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._write())
            both.create_task(self._read())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await self._reader.read(self._toxics.piece):
            await self._late.put((loop.time() + self._toxics.lateness(), data))
        await self._late.put((loop.time() + self._toxics.lateness(), b""))

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._late.get()
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            await self._toxics.flowing.wait()
            if not data:
                with contextlib.suppress(OSError, RuntimeError):
                    self._writer.write_eof()
                return
            await self._give(data)
            if self._toxics.rate is not None:
                await asyncio.sleep(len(data) / self._toxics.rate)

    async def _give(self, data: bytes) -> None:
        """Pass it on; a connection that has given all the answers it may is reset in the middle of one."""
        left = len(data)
        if self._answers and self._toxics.answers is not None:
            if self._armed != self._toxics.armed:
                self._given, self._armed = 0, self._toxics.armed
            left = self._toxics.answers - self._given
            self._given += len(data)
        self._writer.write(data[: max(0, left)])
        await self._writer.drain()
        if left < len(data):
            reset(self._writer)
            raise ConnectionResetError


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other end sees a reset, not a polite end."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()

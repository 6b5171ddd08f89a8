"""A TCP proxy on one hop that can be cut, refuse, go silent, spoil what it passes on, and heal."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from enum import Enum
from typing import Self

from jobstream_local.ports import LOOPBACK, free_port
from tests.support.toxics import Pipe, Toxics, reset


class Mood(Enum):
    """What the proxy does with connections."""

    OPEN = "passes everything on"
    REFUSING = "nobody listens"
    SILENT = "accepts, and passes nothing on"


class Proxy:
    """Passes bytes on between a port of its own and a server's, until told otherwise."""

    def __init__(self, target: int, *, port: int | None = None, seed: int = 0) -> None:
        self._target = target
        self.port = port or free_port()
        self.mood = Mood.OPEN
        self.accepted = 0
        self._admits: Callable[[int], bool] = _everyone
        self._toxics = Toxics(random.Random(f"proxy {seed}"))
        self._resetting: asyncio.Task[None] | None = None
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
            reset(writer)

    async def refuse(self) -> None:
        """Cut, and listen no more."""
        self.mood = Mood.REFUSING
        self._stop_resetting()
        self._toxics.clear()
        if self._server:
            self._server.close()
            self._server = None
        self.cut()

    def admit(self, whom: Callable[[int], bool]) -> None:
        """Serve these callers alone, known by their port; reset the connections of all others."""
        self._admits = whom
        for writer in list(self._open):
            if (peer := writer.get_extra_info("peername")) and not whom(peer[1]):
                reset(writer)

    def silence(self) -> None:
        """Keep every connection and pass nothing on, as a dead router does."""
        self.mood = Mood.SILENT
        self._toxics.hold()

    def delay(self, mean: float, jitter: float = 0.0) -> None:
        """Pass everything on later, by `mean` ± `jitter` seconds and in order."""
        self._toxics.delay(mean, jitter)

    def throttle(self, bytes_per_s: int) -> None:
        """Pass on so much a second, on each connection and in each direction."""
        self._toxics.throttle(bytes_per_s)

    def cut_answers(self, after_bytes: int = 0) -> None:
        """Reset each connection once it has given so many bytes of answers: what it was asked has happened."""
        self._toxics.cut_answers(after_bytes)

    def reset_every(self, seconds: float) -> None:
        """Cut, again and again."""

        async def go_on() -> None:
            while True:
                await asyncio.sleep(seconds)
                self.cut()

        self._stop_resetting()
        self._resetting = asyncio.create_task(go_on(), name="reset storm")

    async def heal(self) -> None:
        """Pass everything on as it comes; what a silent time held back goes out."""
        self.mood, self._admits = Mood.OPEN, _everyone
        self._stop_resetting()
        self._toxics.clear()
        if self._server is None:
            await self._listen()

    def _stop_resetting(self) -> None:
        if self._resetting:
            self._resetting.cancel()
            self._resetting = None

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
            if not self._admits(writer.get_extra_info("peername")[1]):
                reset(writer)
                return
            await self._toxics.flowing.wait()
            there, back = await asyncio.open_connection(LOOPBACK, self._target)
            self._open.add(back)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(Pipe(self._toxics, reader, back).run())
                    both.create_task(Pipe(self._toxics, there, writer, answers=True).run())
            finally:
                self._open.discard(back)
                back.transport.abort()
        except* OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()


def _everyone(_: int) -> bool:
    return True

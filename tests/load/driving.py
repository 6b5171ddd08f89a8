"""Sends jobs and waits for their ends.

A job's latency runs from the moment it was due (open loop) or sent (closed loop) until
its final event has come over one server-sent event stream that was open before.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from tests.load.wire import Address, Listener, Poster, WireError

_IDLE = 2.0
"""Seconds after which an idle connection is not used again: servers hang up on those."""


@dataclass(slots=True)
class Tally:
    """What one load has seen."""

    wanted: int
    started: float = field(default_factory=time.perf_counter)
    accepted_until: float = 0.0
    ended_until: float = 0.0
    answers: list[float] = field(default_factory=list)
    """Seconds from sending to the answer of each POST."""
    accepted: int = 0
    """Jobs in those answers."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from due, or sent, to the final event of each job."""
    refused: dict[int, int] = field(default_factory=dict)
    """POSTs by status, of those that were not accepted."""

    @property
    def per_second(self) -> float:
        """Jobs that came to their end in a second, from the first POST to the last end."""
        return len(self.latencies) / max(self.ended_until - self.started, 1e-9)


class Driver:
    """One api under load."""

    def __init__(self, url: str, body: bytes) -> None:
        self._address = Address(url)
        self._body = body
        self._due: dict[str, float] = {}
        self._early: dict[str, float] = {}
        self._tally = Tally(0)
        self._all_ended = asyncio.Event()
        self._accepted = msgspec.json.Decoder(_Accepted).decode

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hold the stream on which the ends are seen."""
        listener = await Listener.open(self._address, "/events", self._ended)
        try:
            yield
        finally:
            listener.close()

    async def closed_loop(
        self, jobs: int, connections: int, *, batch: int | None = None, within: float = 120
    ) -> Tally:
        """Post from so many connections, each as fast as it is answered; with `batch` so many jobs at once."""
        request = self._request(batch)
        numbers = iter(range(jobs // (batch or 1)))

        async def post_on() -> None:
            poster = await Poster.open(self._address)
            for _ in numbers:
                await self._submit(poster, request, due=None)
            poster.close()

        return await self._measure(
            jobs // (batch or 1) * (batch or 1),
            lambda: asyncio.gather(*(post_on() for _ in range(connections))),
            within,
        )

    async def open_loop(self, jobs: int, rate: float, *, within: float = 60) -> Tally:
        """Post `rate` jobs a second whatever the answers do, so that a slow answer cannot slow the load."""
        idle: list[tuple[float, Poster]] = []
        request = self._request(None)

        async def post(due: float) -> None:
            poster = _still_open(idle) or await Poster.open(self._address)
            await self._submit(poster, request, due=due)
            idle.append((time.perf_counter(), poster))

        async def post_all() -> None:
            began = time.perf_counter()
            async with asyncio.TaskGroup() as posts:
                for number in range(jobs):
                    due = began + number / rate
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                    posts.create_task(post(due))

        return await self._measure(jobs, post_all, within)

    async def _measure(self, jobs: int, load: Callable[[], Awaitable[object]], within: float) -> Tally:
        self._due.clear()
        self._early.clear()
        self._all_ended.clear()
        tally = self._tally = Tally(jobs)
        await load()
        tally.accepted_until = time.perf_counter()
        try:
            async with asyncio.timeout(within):
                if not tally.refused:
                    await self._all_ended.wait()
        except TimeoutError:
            pass
        return tally

    def _request(self, batch: int | None) -> bytes:
        if batch is None:
            return self._address.post("/jobs", self._body)
        return self._address.post("/jobs/batch", b'{"jobs":[%b]}' % b",".join([self._body] * batch))

    async def _submit(self, poster: Poster, request: bytes, *, due: float | None) -> None:
        sent = time.perf_counter()
        status, body = await poster.send(request)
        self._tally.answers.append(time.perf_counter() - sent)
        if status not in {200, 202}:
            self._tally.refused[status] = self._tally.refused.get(status, 0) + 1
            return
        accepted = self._accepted(body)
        ids = [job.id for job in accepted.jobs] or [accepted.id]
        if not all(ids):
            raise WireError("an accepted job has no id")
        self._tally.accepted += len(ids)
        for job_id in ids:
            self._due[job_id] = sent if due is None else due
            if (ended := self._early.pop(job_id, None)) is not None:
                self._settle(job_id, ended)

    def _ended(self, job_id: str) -> None:
        now = time.perf_counter()
        if job_id in self._due:
            self._settle(job_id, now)
        else:
            self._early[job_id] = now  # its end came before the answer to its POST was read

    def _settle(self, job_id: str, ended: float) -> None:
        tally = self._tally
        tally.latencies.append(ended - self._due.pop(job_id))
        tally.ended_until = max(tally.ended_until, ended)
        if len(tally.latencies) == tally.wanted:
            self._all_ended.set()


class _Job(msgspec.Struct):
    """A job in the answer to a POST of several."""

    id: str = ""


class _Accepted(msgspec.Struct):
    """What of the answer to a POST matters here."""

    id: str = ""
    jobs: list[_Job] = []


def _still_open(idle: list[tuple[float, Poster]]) -> Poster | None:
    """Take the connection that was used last, if it can be trusted; hang up on the others."""
    while idle:
        since, poster = idle.pop()
        if poster.is_open and time.perf_counter() - since < _IDLE:
            return poster
        poster.close()
    return None

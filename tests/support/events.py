"""A reader of server-sent events that behaves as the page does: it comes back, and reads anew where it was told to."""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Self

import httpx

from tests.support.lists import listed
from tests.support.waiting import until

Moment = tuple[int, int]
"""(version, revision)"""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it came; `connection` counts from 1."""

    event: str
    id: str | None
    data: Any
    at: float
    connection: int


class Events:
    """Follows one stream; every frame is kept.

        async with Events(url, f"/jobs/{job}/events") as events:
            await events.ended(within=10)
            assert events.states(job) == ["pending", "running", "succeeded"]

    Parameters
    ----------
    url
        One replica, or several: each connection goes to the next.
    again
        Whether a lost connection is made anew; on a stream of many jobs the list is then read too.
    resume
        Whether it then says where it was instead, and reads the list only if it is told to.
    last_id
        Where it was before.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        path: str,
        *,
        again: bool = False,
        resume: bool = False,
        last_id: str | None = None,
    ) -> None:
        self._urls = (url,) if isinstance(url, str) else tuple(url)
        self._path, self._again, self._resume = path, again or resume, resume
        self.frames: list[Frame] = []
        self.newest: dict[str, dict[str, Any]] = {}
        """The newest view of each job, from events and from lists."""
        self.connections = 0
        self.last_id = last_id
        """Where it is in the stream."""
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.content_type = ""
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lists: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name=f"events {self._path}")
        await asyncio.wait_for(self.opened.wait(), 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._lists:
            task.cancel()
        await asyncio.gather(*self._lists, return_exceptions=True)
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
                await self._task

    # --- what was seen
    def of(self, job: str, event: str = "job") -> list[Frame]:
        """Frames of one kind about one job."""
        return [f for f in self.frames if f.event == event and f.data.get("id") == job]

    def states(self, job: str) -> list[str]:
        return [f.data["state"] for f in self.of(job)]

    def moments(self, job: str) -> list[Moment]:
        """(version, revision) of every frame about a job, in the order they came."""
        return [
            (f.data["version"], f.data["revision"])
            for f in self.frames
            if f.event in {"job", "progress"} and f.data.get("id") == job
        ]

    def disorder(self) -> list[str]:
        """Jobs of which, within one connection, something old came after something new."""
        last: dict[tuple[int, str], Moment] = {}
        wrong = []
        for frame in self.frames:
            if frame.event not in {"job", "progress"}:
                continue
            place = frame.connection, frame.data["id"]
            moment = (frame.data["version"], frame.data["revision"])
            if moment <= last.get(place, (0, 0)):
                wrong.append(f"{frame.data['id']}: {moment} after {last[place]}")
            last[place] = moment
        return wrong

    def finals(self) -> dict[str, set[str]]:
        """The final states seen of each job."""
        seen: dict[str, set[str]] = defaultdict(set)
        for frame in self.frames:
            if frame.event == "job" and frame.data["finished_at"] is not None:
                seen[frame.data["id"]].add(frame.data["state"])
        return seen

    # --- waiting
    async def seen(self, job: str, state: str, *, within: float = 20) -> dict[str, Any]:
        """Wait for the newest view of a job to be in this state."""

        async def look() -> dict[str, Any]:
            view = self.newest.get(job, {})
            # Only where it is not: this looks through all frames.
            assert view.get("state") == state, f"saw {self.states(job)}"
            return view

        return await until(look, within=within, what=f"{job} to be seen {state}")

    async def ended(self, *, within: float = 20) -> None:
        """Wait until the server has ended the stream."""
        await asyncio.wait_for(self.closed.wait(), within)

    # --- reading
    async def _follow(self) -> None:
        timeout = httpx.Timeout(5, read=40)  # over the heartbeat, below the page's own 45 s
        for url in cycle(self._urls):
            async with httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False) as client:
                try:
                    self._reading = asyncio.create_task(self._read(client), name=f"read {url}{self._path}")
                    await self._reading
                except asyncio.CancelledError:
                    # Either somebody ends it all, or `cut` has ended this connection.
                    if (task := asyncio.current_task()) and task.cancelling():
                        raise
                except httpx.HTTPError:
                    if not self._again:
                        raise
                finally:
                    if not self._again:
                        self.closed.set()
            if not self._again:
                return
            await asyncio.sleep(0.3)

    def cut(self) -> None:
        """Lose the connection in the middle of whatever comes."""
        if self._reading:
            self._reading.cancel()

    async def _read(self, client: httpx.AsyncClient) -> None:
        headers = {"accept": "text/event-stream"}
        if self._resume and self.last_id is not None:
            headers["last-event-id"] = self.last_id
        async with client.stream("GET", self._path, headers=headers) as response:
            if self._again:
                response.raise_for_status()  # it comes back, as it does when nobody answers
            assert response.status_code == 200, await response.aread()
            self.connections += 1
            self.content_type = response.headers["content-type"]
            self.opened.set()
            if self._again and not self._resume and self.connections > 1:
                self._read_list()
            async for event, event_id, text in _parsed(response.aiter_lines()):
                if text:
                    self._take(event, event_id, json.loads(text))
                if event_id is not None:
                    self.last_id = event_id

    def _take(self, event: str, event_id: str | None, data: Any) -> None:
        self.frames.append(Frame(event, event_id, data, time.monotonic(), self.connections))
        if event == "job":
            self._learn(data)
        elif event == "reset" and self._again:
            self._read_list()

    def _read_list(self) -> None:
        """Read the list beside the stream: the server gives up a reader who lets events wait meanwhile."""

        async def read() -> None:
            async for view in listed(self._urls, self._path.partition("?")[2]):
                self._learn(view)

        task = asyncio.create_task(read(), name=f"list {self._path}")
        self._lists.add(task)
        task.add_done_callback(self._lists.discard)

    def _learn(self, view: dict[str, Any]) -> None:
        known = self.newest.get(view["id"])
        if known is None or (known["version"], known["revision"]) < (view["version"], view["revision"]):
            self.newest[view["id"]] = view


async def _parsed(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str | None, str]]:
    """Turn lines into (event, id, data); one without data fires nothing, as in a browser, and may set the id."""
    event, event_id, data = "message", None, list[str]()
    async for line in lines:
        if not line:
            if data or event_id is not None:
                yield event, event_id, "\n".join(data)
            event, event_id, data = "message", None, []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value

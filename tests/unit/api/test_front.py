"""What a caller gets whose request the server cuts as it goes."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from api.http import http_app
from service_chassis.server import Receive, Scope, Send


class Call:
    """A POST /jobs to an app whose endpoint does as told, and what was sent for an answer."""

    def __init__(self, *, begins: bool) -> None:
        self._begins = begins
        self.sent: list[MutableMapping[str, Any]] = []
        self.reached = asyncio.Event()

    async def make(self) -> None:
        app = http_app(submit=self._endpoint, many=self._endpoint, one=self._endpoint, routers=[])
        await app(
            {"type": "http", "method": "POST", "path": "/jobs", "headers": []}, self._receive, self._send
        )

    async def _endpoint(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        self.reached.set()
        await asyncio.Event().wait()

    async def _receive(self) -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


async def cut(call: Call) -> None:
    task = asyncio.create_task(call.make())
    await call.reached.wait()
    task.cancel()
    await task


async def test_a_call_that_is_cut_before_its_answer_gets_503_and_when_to_come_back() -> None:
    call = Call(begins=False)
    await cut(call)
    start, body = call.sent
    assert start["status"] == 503
    assert (b"retry-after", b"2") in start["headers"]
    assert b"/problems/unavailable" in body["body"]


async def test_an_answer_that_is_cut_is_not_begun_again() -> None:
    call = Call(begins=True)
    with pytest.raises(asyncio.CancelledError):
        await cut(call)
    assert [message["type"] for message in call.sent] == ["http.response.start"]

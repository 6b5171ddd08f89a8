"""Who waits for a job gets its news, and holds nobody up: not the end of a service, not a client that has gone."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.fanout import Hub
from api.live_event import LiveEvent
from api.waiting import LONGEST, Waiting, wait_of
from tests.support.waiting import until_true
from tests.unit.api.events import JOB, changed
from tests.unit.api.fakes import record

ONE = JOB.format(1)


class Client:
    """A client that may go away."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Rig:
    def __init__(self, most: int = 5, stored: Mapping[str, Any] | None = None) -> None:
        self.hub, self.client, self.stored, self.reads = Hub(), Client(), stored, 0
        self.waiting = Waiting(hub=self.hub, store=self, most=most)

    async def job(self, job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        self.reads += 1
        return self.stored

    async def result(self, record: Mapping[str, Any], *, limit: int | None = None) -> bytes | None:
        return b"1" if record.get("has_result") else None

    def say(self, version: int, state: str) -> None:
        self.hub.publish(LiveEvent.of_change(changed(1, version, state)))

    async def end(self, seconds: int = 20) -> str | None:
        """Wait for the end and return the state one is told."""
        async with self.waiting.watching(ONE, seconds, {}, self.client.receive) as mailbox:
            assert mailbox is not None
            newest = await self.waiting.end_of(ONE, mailbox, owner="default", seconds=seconds)
        return newest.state if newest else None

    async def others(self, count: int) -> None:
        """Let others run until so many wait."""
        await until_true(lambda: len(self.waiting) == count, within=5, what=f"{count} to wait", every=0)


async def test_the_end_of_a_job_is_told_as_soon_as_it_comes_and_after_one_look() -> None:
    rig = Rig()
    waiting = asyncio.create_task(rig.end())
    await rig.others(1)
    rig.say(1, "pending")
    rig.say(2, "running")
    await asyncio.sleep(0)
    assert not waiting.done()
    rig.say(3, "succeeded")
    assert (await waiting, rig.reads) == ("succeeded", 1)
    assert (len(rig.waiting), rig.hub.watched()) == (0, set())


async def test_when_the_time_is_up_the_newest_state_is_told() -> None:
    rig = Rig()
    waiting = asyncio.create_task(rig.end(1))
    await rig.others(1)
    rig.say(2, "running")
    assert await waiting == "running"
    assert await rig.end(1) is None


async def test_a_job_that_others_may_have_ended_is_looked_at_first() -> None:
    rig = Rig(stored=record(ONE, state="succeeded", version=3, has_result=True))
    assert await rig.end() == "succeeded"


async def test_a_look_that_fails_leaves_the_events_to_tell() -> None:
    rig = Rig()

    async def away(job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        raise OSError("away")

    rig.job = away  # type: ignore[method-assign]
    waiting = asyncio.create_task(rig.end())
    await rig.others(1)
    rig.say(3, "succeeded")
    assert await waiting == "succeeded"


async def test_an_event_between_subscription_and_look_is_not_lost() -> None:
    rig = Rig(stored=record(ONE, state="running", version=2))
    stored = rig.job

    async def look(job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        found = await stored(job_id, owner=owner)
        rig.say(3, "failed")
        return found

    rig.job = look  # type: ignore[method-assign]
    assert await rig.end() == "failed"


async def test_nobody_waits_for_a_client_that_has_gone() -> None:
    rig = Rig()
    waiting = asyncio.create_task(rig.end(30))
    await rig.others(1)
    rig.client.gone.set()
    async with asyncio.timeout(5):
        assert await waiting is None


async def test_the_end_of_the_service_ends_all_waiting_and_none_begins_after_it() -> None:
    rig = Rig()
    async with rig.waiting:
        waiting = [asyncio.create_task(rig.end(30)) for _ in range(5)]
        await rig.others(5)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [None] * 5
    async with rig.waiting.watching(ONE, 10, {}, rig.client.receive) as mailbox:
        assert mailbox is None


async def test_who_finds_no_room_does_not_wait() -> None:
    rig = Rig(most=1)
    waiting = asyncio.create_task(rig.end(30))
    await rig.others(1)
    async with rig.waiting.watching(ONE, 10, {}, rig.client.receive) as mailbox:
        assert mailbox is None
    rig.say(3, "succeeded")
    assert await waiting == "succeeded"
    assert await Rig(most=1).end(1) is None


@pytest.mark.parametrize(("free", "waits"), [(200, True), (100, False)])
async def test_the_last_file_descriptors_are_left_to_others(
    free: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1_000, 4_000))
    sock = SimpleNamespace(fileno=lambda: 1_000 - free)
    transport = SimpleNamespace(get_extra_info=lambda _: sock)
    rig = Rig()
    scope = {"extensions": {"transport": transport}}
    async with rig.waiting.watching(ONE, 10, scope, rig.client.receive) as mailbox:
        assert (mailbox is not None) == waits


async def test_only_what_is_newer_than_what_one_knows_is_a_change() -> None:
    rig = Rig()
    async with rig.waiting.watching(ONE, 5, {}, rig.client.receive) as mailbox:
        assert mailbox is not None
        rig.say(2, "running")
        assert not await rig.waiting.change_after((2, 0), mailbox, seconds=1)
        rig.say(3, "waiting")
        assert await rig.waiting.change_after((2, 0), mailbox, seconds=5)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 0),
        (["respond-async"], 0),
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="7"'], 7),
        (["wait=31"], LONGEST),
        (["wait=" + "9" * 5_000], LONGEST),
        (["respond-async, wait=3; x=y", "wait=9"], 3),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait=\u0663"], 0),
        (["wait"], 0),
        (["waits=4"], 0),
    ],
)
def test_a_preference_is_read_as_the_standard_says(headers: list[str], seconds: int) -> None:
    assert wait_of(headers) == seconds


@given(st.lists(st.text()))
def test_no_header_makes_anybody_wait_longer_than_the_longest(headers: list[str]) -> None:
    assert 0 <= wait_of(headers) <= LONGEST

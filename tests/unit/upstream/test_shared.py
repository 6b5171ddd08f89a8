"""State that several workers change: nobody's change is lost, and the time is the store's."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from job_worker.upstream.documents import Document
from job_worker.upstream.shared import Shared, Snapshot

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeStates:
    """Keeps parts in memory; every reading takes a turn of the loop, so that others come between."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], tuple[Document, int]] = {}
        self.now, self.writes, self.conflicts = START, 0, 0

    async def read(self, name: str, part: str) -> Snapshot:
        await asyncio.sleep(0)
        value, version = self.parts.get((name, part), ({}, 0))
        self.now += timedelta(milliseconds=1)
        return Snapshot(value, version, self.now)

    async def write(self, name: str, part: str, value: Document, *, version: int, task: str) -> bool:
        await asyncio.sleep(0)
        if self.parts.get((name, part), ({}, 0))[1] != version:
            self.conflicts += 1
            return False
        self.parts[name, part] = value, version + 1
        self.writes += 1
        return True


def counter_on(states: FakeStates, part: str = "quota") -> Shared[int]:
    def number(document: Mapping[str, Any]) -> int:
        return int(document.get("number", 0))

    return Shared(
        states,
        name="unsplash",
        part=part,
        task="image.search",
        from_document=number,
        to_document=lambda count: {"number": count},
        pause=lambda _: asyncio.sleep(0),
    )


def add_one(count: int, now: datetime) -> tuple[int, tuple[int, datetime]]:
    return count + 1, (count + 1, now)


async def test_no_change_of_ten_workers_is_lost() -> None:
    states = FakeStates()
    workers = [counter_on(states) for _ in range(10)]
    answers = await asyncio.gather(*(worker.change(add_one) for worker in workers for _ in range(20)))
    assert sorted(number for number, _ in answers) == list(range(1, 201)), "each has seen a number of its own"
    assert states.conflicts > 0, "or this proves nothing"


async def test_changes_of_one_worker_that_come_together_are_one_writing() -> None:
    states = FakeStates()
    worker = counter_on(states)
    await asyncio.gather(*(worker.change(add_one) for _ in range(50)))
    assert states.writes <= 2


async def test_what_changes_nothing_is_not_written() -> None:
    states = FakeStates()
    assert await counter_on(states).change(lambda count, _: (count, "seen")) == "seen"
    assert states.writes == 0


async def test_parts_of_one_upstream_do_not_disturb_each_other() -> None:
    states = FakeStates()
    await asyncio.gather(*(counter_on(states, part).change(add_one) for part in ("quota", "circuit")))
    assert states.conflicts == 0


async def test_the_time_is_that_of_the_reading() -> None:
    states = FakeStates()
    _, now = await counter_on(states).change(add_one)
    assert now == START + timedelta(milliseconds=1)

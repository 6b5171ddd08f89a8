"""What is told to Kafka behind the answers, and what becomes of it while Kafka is away."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.backlog import Backlog
from api.conflating import FEW
from api.publisher import KafkaAnnouncer
from job_contracts.messages import read_event, read_requested
from job_contracts.record import GuardedMove
from job_contracts.topics import Topic
from service_chassis.metrics import Metrics
from service_chassis.publisher import Outgoing, PublishError, RefusedError
from tests.support.waiting import until_true
from tests.unit.api.fakes import record

WAKE = datetime(2026, 5, 1, 12, 0, 5, tzinfo=UTC)


class FakePublisher:
    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Outgoing]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False
        self.too_large: bytes | None = None

    async def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        await self.open.wait()
        if self.is_away:
            raise PublishError("away")
        if any(message.key == self.too_large for message in messages):
            raise RefusedError("MessageSizeTooLargeError")
        self.batches.append((topic, list(messages)))

    def sizes(self, topic: str) -> list[int]:
        return [len(messages) for name, messages in self.batches if name == topic]


class Heard:
    def __init__(self) -> None:
        self.ids: list[str] = []

    def acknowledged(self, records: Sequence[Any]) -> None:
        self.ids += [r["_id"] for r in records]


class Rig:
    def __init__(self, buffer: int = 100) -> None:
        self.publisher, self.heard, self.metrics = FakePublisher(), Heard(), Metrics()
        self.announcer = KafkaAnnouncer(
            self.publisher,  # type: ignore[arg-type]
            buffer=buffer,
            acknowledged=self.heard,
            metrics=self.metrics,
        )

    def store(self, *records: dict[str, Any]) -> None:
        self.announcer.stored([(r, None) for r in records])

    def hear(self, job: dict[str, Any], version: bytes) -> None:
        """Have it read that news of this version stand on `job-events`."""
        self.announcer.heard(job["_id"].encode(), {"version": version})

    def shown(self) -> list[str]:
        """Jobs everybody was told of, by id."""
        return [
            m.key.decode() for topic, ms in self.publisher.batches if topic == Topic.JOB_EVENTS for m in ms
        ]

    def dropped(self, topic: str) -> float:
        name = "announcements_dropped_total"
        return self.metrics.registry.get_sample_value(name, {"topic": topic}) or 0.0

    def overtaken(self) -> float:
        return self.metrics.registry.get_sample_value("announcements_overtaken_total") or 0.0


def _jobs(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [record(f"0198c0de-0000-7000-8000-{n:012}", wake_at=WAKE, **fields) for n in range(count)]


async def test_a_new_job_is_requested_and_shown() -> None:
    rig = Rig()
    async with rig.announcer:
        rig.store(*_jobs(1))
    (request,) = [m for topic, ms in rig.publisher.batches if topic == Topic.JOBS for m in ms]
    (event,) = [m for topic, ms in rig.publisher.batches if topic == Topic.JOB_EVENTS for m in ms]
    assert read_requested(request.value).version == read_event(event.value).version == 1
    assert request.key == event.key == _jobs(1)[0]["_id"].encode()
    assert dict(event.headers)["state"] == b"pending"


async def test_a_job_for_later_is_shown_alone() -> None:
    rig = Rig()
    async with rig.announcer:
        rig.store(*_jobs(1, state="waiting", reason="scheduled"))
    assert (rig.publisher.sizes(Topic.JOBS), rig.publisher.sizes(Topic.JOB_EVENTS)) == ([], [1])
    assert rig.heard.ids == []


async def test_what_comes_while_one_publish_is_under_way_shares_the_next() -> None:
    rig = Rig()
    rig.publisher.open.clear()
    async with rig.announcer:
        rig.store(*_jobs(1))
        await asyncio.sleep(0)
        for job in _jobs(30):
            rig.store(job)
        rig.publisher.open.set()
    assert rig.publisher.sizes(Topic.JOBS) == [1, 30]
    assert len(rig.heard.ids) == 31


async def test_what_kafka_does_not_take_is_counted_and_forgotten() -> None:
    rig = Rig()
    rig.publisher.is_away = True
    async with rig.announcer:
        rig.store(*_jobs(3))
    assert (rig.dropped(Topic.JOBS), rig.dropped(Topic.JOB_EVENTS)) == (3, 3)
    assert rig.heard.ids == []


async def test_the_buffer_is_bounded() -> None:
    rig = Rig(buffer=10)
    rig.publisher.open.clear()
    async with rig.announcer:
        rig.store(*_jobs(25))
        rig.publisher.open.set()
    assert rig.dropped(Topic.JOBS) == 15
    assert len(rig.heard.ids) == 10


async def _everybody_knows(rig: Rig, jobs: list[dict[str, Any]]) -> None:
    ids = sorted(job["_id"] for job in jobs)
    await until_true(
        lambda: sorted(rig.shown()) == ids, within=5, what="news of these jobs alone", every=0.01
    )


async def test_of_few_pending_jobs_everybody_is_told_at_once() -> None:
    rig = Rig()
    jobs = _jobs(FEW)
    async with rig.announcer:
        rig.store(*jobs)
        rig.hear(jobs[0], b"3")
        await _everybody_knows(rig, jobs)
    assert rig.overtaken() == 0


async def test_of_many_pending_jobs_nobody_is_told_of_those_that_something_newer_is_heard_of() -> None:
    rig = Rig()
    jobs = _jobs(FEW + 4, version=2)
    async with rig.announcer:
        rig.store(*jobs)
        for job in jobs[2:]:
            rig.hear(job, b"3")
        await _everybody_knows(rig, jobs[:2])
    assert (rig.overtaken(), len(rig.heard.ids)) == (FEW + 2, FEW + 4), "workers are asked all the same"


@pytest.mark.parametrize("version", [b"1", b"2", b"", b"x", b"9" * 5_000, None])
async def test_news_that_are_not_newer_overtake_nothing(version: Any) -> None:
    rig = Rig()
    jobs = _jobs(FEW + 1, version=2)
    async with rig.announcer:
        rig.store(*jobs)
        for job in jobs:
            rig.hear(job, version)
        rig.announcer.heard(None, {"version": b"9"})
        rig.announcer.heard(b"of another api", {"version": b"9"})
        await _everybody_knows(rig, jobs)


async def test_what_has_ended_is_told_at_once_whatever_is_kept() -> None:
    rig = Rig()
    jobs = _jobs(FEW + 1)
    async with rig.announcer:
        rig.store(*jobs, record("0198c0de-0000-7000-8000-000000000999", state="cancelled"))
        await _everybody_knows(rig, [{"_id": "0198c0de-0000-7000-8000-000000000999"}])


async def test_at_the_end_everybody_is_told_of_what_is_kept() -> None:
    rig = Rig()
    async with rig.announcer:
        rig.store(*_jobs(FEW + 1))
    assert len(rig.shown()) == FEW + 1


class FakeBacklogStore:
    def __init__(self, waiting: list[tuple[str, int, datetime]]) -> None:
        self.waiting = waiting
        self.asked: list[tuple[datetime, datetime]] = []
        self.moves: list[GuardedMove] = []

    async def still_pending(self, low: datetime, high: datetime) -> Sequence[tuple[str, int, datetime]]:
        self.asked.append((low, high))
        return self.waiting

    async def apply(self, moves: Sequence[GuardedMove]) -> None:
        self.moves += moves


async def test_acknowledged_jobs_that_still_wait_are_looked_after_later() -> None:
    later = WAKE + timedelta(seconds=1)
    store = FakeBacklogStore([("a", 1, WAKE), ("b", 1, WAKE), ("c", 4, later), ("unknown", 1, WAKE)])
    backlog = Backlog(store=store)
    known = [("a", 1, WAKE), ("b", 1, WAKE), ("c", 4, later), ("done", 1, WAKE)]
    backlog.acknowledged([{"_id": i, "version": v, "wake_at": w} for i, v, w in known])
    await backlog.look()
    assert store.asked == [], "the workers have had no time for them yet"
    await backlog.look()
    assert store.asked == [(WAKE, later)]
    moved = Counter(
        (i, m.filter["version"], m.filter["wake_at"]) for m in store.moves for i in m.filter["_id"]["$in"]
    )
    assert moved == Counter([("a", 1, WAKE), ("b", 1, WAKE), ("c", 4, later)])
    assert len(store.moves) == 2
    await backlog.look()
    assert len(store.asked) == 1, "each message is looked after once"


async def test_an_idle_backlog_asks_nothing() -> None:
    store = FakeBacklogStore([])
    await Backlog(store=store).look()
    assert store.asked == []


async def test_what_kafka_will_never_take_is_dropped_alone() -> None:
    rig = Rig()
    jobs = [record(_id=f"job-{n}") for n in range(9)]
    rig.publisher.too_large = jobs[4]["_id"].encode()
    rig.store(*jobs)
    rest = sorted(job["_id"] for job in jobs if job != jobs[4])
    await until_true(lambda: len(rig.heard.ids) >= 8, within=2, what="the others to be acknowledged")
    await until_true(lambda: len(rig.shown()) >= 8, within=2, what="the others to be announced")
    assert (sorted(rig.heard.ids), sorted(rig.shown())) == (rest, rest)
    assert (rig.dropped(Topic.JOBS), rig.dropped(Topic.JOB_EVENTS)) == (1, 1)

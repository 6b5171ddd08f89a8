"""What the dispatcher asks MongoDB about jobs that wait for something else than time; each along an index."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from job_worker.pauses import Pauses
from job_worker.store import MongoJobStore
from service_chassis.mongo import Mongo
from tests.contract.builders import job_record

PROBE_AFTER = timedelta(0)


def entry(description: str) -> dict[str, str]:
    return {"_id": "it", "digest": "d1", "description": description}


@pytest.fixture
def store(mongo: Mongo) -> MongoJobStore:
    return MongoJobStore(mongo)


async def put(mongo: Mongo, *jobs: dict[str, Any]) -> None:
    await mongo.collection("jobs").insert_many(jobs)


def waiting(reason: str, task: str, **fields: Any) -> dict[str, Any]:
    return job_record("waiting", 1, reason=reason, task=task, **fields)


async def test_parked_jobs_are_found_by_their_reason_and_task(mongo: Mongo, store: MongoJobStore) -> None:
    paused = [waiting("paused", task, _id=f"{n}-{task}") for n in range(3) for task in ("a", "b", "c")]
    await put(mongo, *paused, waiting("low_priority", "d"), waiting("scheduled", "e"))
    assert await store.parked_tasks("paused") == ["a", "b", "c"]
    found = await store.parked("paused", 3, tasks=["a", "c"])
    assert [job["_id"] for job in found] == ["0-a", "0-c", "1-a"], "the oldest first, whatever the task"
    assert [job["task"] for job in await store.parked("low_priority", 5)] == ["d"]


@pytest.mark.parametrize("reason", ["paused", "no_worker", "low_priority"])
async def test_looking_for_parked_jobs_reads_no_more_than_it_returns(mongo: Mongo, reason: str) -> None:
    await put(
        mongo, *[waiting(reason, "a") for _ in range(300)], *[waiting("scheduled", "a") for _ in range(300)]
    )
    plan = (
        await mongo.collection("jobs")
        .find({"reason": reason} | ({"task": {"$in": ["a", "b"]}} if reason != "low_priority" else {}))
        .hint(reason)
        .sort("_id", 1)
        .limit(5)
        .explain()
    )
    assert plan["executionStats"]["totalDocsExamined"] == 5


@pytest.mark.parametrize(
    ("fields", "queues"),
    [
        ({"updated": 0}, False),
        ({"updated": 3}, True),
        ({"updated": 3, "priority": "low"}, False),
        ({"updated": 3, "publishes": 1}, True),
        ({"updated": 0, "publishes": 1}, False),
        ({"updated": 3, "publishes": 1, "priority": "low"}, False),
    ],
)
async def test_a_normal_job_queues_once_it_has_been_pending_for_over_a_second(
    mongo: Mongo, store: MongoJobStore, fields: dict[str, Any], queues: bool
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=fields.pop("updated"))
    wake = since + timedelta(minutes=10 if "publishes" in fields else 0, seconds=5)
    await put(mongo, job_record("pending", 1, updated_at=since, wake_at=wake, **fields))
    assert await store.normal_queues(timedelta(seconds=1)) is queues


async def test_jobs_of_low_priority_in_the_queue_are_counted_up_to_the_limit(
    mongo: Mongo, store: MongoJobStore
) -> None:
    await put(mongo, *[job_record("pending", 2, publishes=1, priority="low") for _ in range(7)])
    await put(mongo, job_record("pending", 2, publishes=1), job_record("pending", 2, priority="low"))
    await put(mongo, *[job_record("failed", 2, publishes=1, priority="low") for _ in range(3)])
    assert (await store.low_in_queue(100), await store.low_in_queue(3)) == (7, 3)


async def test_a_pause_is_set_once_and_lifted_only_by_who_has_seen_it(
    mongo: Mongo, store: MongoJobStore
) -> None:
    await store.publish_catalogue([entry("first")])
    pause = {"by": "brake", "reason": "$$ROOT", "error_type": "KeyRefused"}
    assert await store.pause("it", pause, probe_after=PROBE_AFTER)
    assert not await store.pause("it", {**pause, "by": "person"}, probe_after=PROBE_AFTER)
    pauses = Pauses(store=store)
    await pauses.look()
    seen = pauses.of("it")
    assert seen is not None
    assert (seen.by, seen.error_type) == ("brake", "KeyRefused")

    await store.publish_catalogue([entry("second")])
    assert (await store.paused_tasks())["it"]["reason"] == "$$ROOT", "a worker that starts does not resume"
    assert not await store.resume("it", seen._replace(at=seen.at + timedelta(seconds=1)))
    assert await store.resume("it", seen)
    await pauses.look()
    assert pauses.of("it") is None


async def test_a_probe_is_taken_once_and_the_next_one_waits_twice_as_long(
    mongo: Mongo, store: MongoJobStore
) -> None:
    await store.publish_catalogue([entry("only")])
    await store.pause("it", {"by": "brake", "reason": ""}, probe_after=timedelta(0))
    assert await store.take_probe("it")
    first = (await store.paused_tasks())["it"]
    assert first["probes"] == 1
    tasks = mongo.collection("tasks")
    for minutes, expected in ((2, 120), (30, 600)):
        ago = datetime.now(UTC) - timedelta(minutes=minutes)
        await tasks.update_one(
            {"_id": "it"}, {"$set": {"paused.at": ago, "paused.probe_at": datetime.now(UTC)}}
        )
        assert await store.take_probe("it")
        assert not await store.take_probe("it"), "nobody takes the same probe twice"
        left = (await store.paused_tasks())["it"]["probe_at"] - datetime.now(UTC)
        assert abs(left.total_seconds() - expected) < 5
    await tasks.update_one(
        {"_id": "it"}, {"$set": {"paused.by": "person", "paused.probe_at": datetime.now(UTC)}}
    )
    assert not await store.take_probe("it"), "what a person has paused is not tried"

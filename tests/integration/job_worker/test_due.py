"""What the dispatcher asks MongoDB about due jobs: each kind apart, so that many of one never hide another."""

from datetime import UTC, datetime, timedelta

from job_contracts.keeping import hold_outcome, set_aside
from job_contracts.lifecycle import JobState
from job_worker.store import MongoJobStore
from service_chassis.mongo import Mongo
from tests.contract.builders import job_record

PAST = datetime.now(UTC) - timedelta(minutes=5)
SINCE = datetime.now(UTC) - timedelta(minutes=1)


async def test_each_kind_of_due_job_is_found_behind_any_number_of_others(mongo: Mongo) -> None:
    store = MongoJobStore(mongo)
    await mongo.collection("jobs").insert_many(
        [
            *[job_record("running", 2, wake_at=PAST) for _ in range(700)],
            *[job_record("pending", 2, wake_at=PAST) for _ in range(700)],
            *[job_record("waiting", 2, wake_at=PAST, expire_by=PAST) for _ in range(700)],
            job_record("waiting", 1, _id="delayed", reason="scheduled", wake_at=SINCE),
            job_record("pending", 1, _id="lost", wake_at=SINCE, updated_at=PAST - timedelta(1)),
            job_record("waiting", 1, reason="scheduled"),
        ]
    )
    assert [job["_id"] for job in await store.due(JobState.WAITING, 500)] == ["delayed"]
    pending = await store.due(JobState.PENDING, 1000)
    assert (len(pending), pending[-1]["_id"]) == (701, "lost"), "the longest overdue first"
    assert len(await store.overdue(500)) == 500
    assert len(await store.due_to_expire(500)) == 500
    assert "payload" not in pending[0]


async def test_a_running_job_that_is_held_is_not_overdue_and_comes_again(mongo: Mongo) -> None:
    store = MongoJobStore(mongo)
    jobs = [job_record("running", 2, wake_at=PAST) for _ in range(3)]
    await mongo.collection("jobs").insert_many(jobs)
    ids = [job["_id"] for job in jobs]
    await store.apply([hold_outcome(ids[:2], 2, wait=timedelta(minutes=1)), set_aside(ids[2], 2)])
    assert await store.overdue(5) == []
    await store.apply([hold_outcome(ids, 1, wait=timedelta(minutes=9)), set_aside(ids[0], 1)])
    later = await mongo.collection("jobs").find({"_id": ids[0]}).to_list(None)
    assert later[0]["wake_at"] < datetime.now(UTC) + timedelta(minutes=2), "another version is not held"

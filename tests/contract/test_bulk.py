"""Many documents in one round trip, on MongoDB through either driver."""

from uuid import uuid4

import pytest
from pymongo.errors import BulkWriteError

from job_contracts.lifecycle import JobState
from job_contracts.record import Collection
from service_chassis.bulk import insert_missing, insert_new, update_groups
from service_chassis.settings import MongoDriver
from tests.contract.builders import job_record
from tests.contract.keepers import Keeper, MongoKeeper

pytestmark = pytest.mark.parametrize("mongo_settings", MongoDriver, indirect=True)


async def test_what_is_there_already_stays_and_the_rest_is_inserted(keeper: Keeper) -> None:
    assert isinstance(keeper, MongoKeeper)
    jobs = keeper.mongo.collection(Collection.JOBS)
    old, new = job_record(task="old"), job_record(task="new")
    await insert_missing(jobs, [old])

    await insert_missing(jobs, [old | {"task": "changed"}, new, old | {"task": "changed"}])

    assert (await keeper.job(old["_id"]))["task"] == "old"
    assert (await keeper.job(new["_id"]))["task"] == "new"


async def test_another_unique_field_that_is_taken_is_an_error(keeper: Keeper) -> None:
    assert isinstance(keeper, MongoKeeper)
    jobs = keeper.mongo.collection(Collection.JOBS)
    key = {"key": str(uuid4()), "hash": "-"}
    await insert_missing(jobs, [job_record(idempotency=key)])
    with pytest.raises(BulkWriteError):
        await insert_missing(jobs, [job_record(idempotency=key)])


async def test_what_has_a_taken_key_is_named_by_its_position(keeper: Keeper) -> None:
    assert isinstance(keeper, MongoKeeper)
    jobs = keeper.mongo.collection(Collection.JOBS)
    key = {"key": str(uuid4()), "hash": "-"}
    old, new = job_record(idempotency=key), job_record()
    assert await insert_new(jobs, [old]) == set()
    assert await insert_new(jobs, [job_record(idempotency=key), new, old]) == {0, 2}
    assert (await keeper.job(new["_id"]))["state"] == new["state"]


async def test_nothing_to_write_costs_nothing(keeper: Keeper) -> None:
    assert isinstance(keeper, MongoKeeper)
    jobs = keeper.mongo.collection(Collection.JOBS)
    await insert_missing(jobs, [])
    assert await update_groups(jobs, []) == 0


async def test_groups_say_how_many_records_changed(keeper: Keeper) -> None:
    assert isinstance(keeper, MongoKeeper)
    jobs = [job_record() for _ in range(3)]
    await keeper.put(*jobs)
    ids = [job["_id"] for job in jobs]
    final = {"$set": {"state": str(JobState.CANCELLED)}}
    groups = [({"_id": ids[0]}, final), ({"_id": {"$in": ids[1:]}}, final), ({"_id": "nobody"}, final)]
    assert await update_groups(keeper.mongo.collection(Collection.JOBS), groups) == 3

"""Every list is covered by the index it names, whichever driver asks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from api.listing import LIST_LIMIT, SCAN_BUDGET, JobFilters, fitting, query_of, trimmed
from api.store import MongoJobStore, holding
from job_contracts.indexes import INDEXES
from job_contracts.record import Collection
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.contract.api.plans import stages
from tests.support.product import Servers
from tests.unit.api.fakes import record

NOW = datetime(2026, 5, 1, tzinfo=UTC)

QUERIES: list[dict[str, Any]] = [
    {},
    {"newest_first": False},
    {"states": ["failed"]},
    {"states": ["failed", "running", "succeeded"]},
    {"task": "noop"},
    {"task": "noop", "states": ["failed", "running"], "newest_first": False},
    {"task": "noop", "error_type": "E"},
    {"tags": ["even"]},
    {"tags": ["even", "third"]},
    {"batch": "b1"},
    {"error_type": "E"},
    {"error_type": "E", "states": ["failed"]},
    {"error_type": "E", "batch": "b1", "task": "noop"},
    {"error_type": "other"},
    {"unique_key": "u"},
    {"unique_key": "u", "states": ["failed"], "error_type": "E"},
    {"unique_key": "u", "task": "sleep", "newest_first": False},
    {"states": ["pending"], "task": "noop", "tags": ["even"]},
    {"created_after": NOW, "created_before": datetime(2027, 1, 1, tzinfo=UTC), "task": "noop"},
]


def _job(number: int) -> dict[str, Any]:
    return record(
        f"019{number:05x}-0000-7000-8000-000000000000",
        state=("pending", "running", "succeeded", "failed")[number % 4],
        task=("noop", "sleep")[number % 3 == 0],
        tags=["even" if number % 2 == 0 else "odd", *(["third"] if number % 3 == 0 else [])],
        **({"batch": "b1"} if number % 5 == 0 else {}),
        **({"error": {"kind": "rejected", "type": "E", "message": ""}} if number % 4 == 3 else {}),
        **({"unique_key": "u"} if number % 4 > 1 and number % 3 == 0 else {}),
        payload='"' + "x" * (number * 100) + '"',
    )


JOBS = [_job(number) for number in range(60)]


def _wanted(job: dict[str, Any], filters: JobFilters) -> bool:
    return (
        (not filters.states or job["state"] in filters.states)
        and (filters.task is None or job["task"] == filters.task)
        and set(filters.tags) <= set(job["tags"])
        and (filters.batch is None or job.get("batch") == filters.batch)
        and (filters.unique_key is None or job.get("unique_key") == filters.unique_key)
        and (filters.error_type is None or job.get("error", {}).get("type") == filters.error_type)
        and (filters.created_after is None or job["_id"] >= "019de0")
    )


@pytest.fixture(params=list(MongoDriver))
async def mongo(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Mongo]:
    settings = MongoSettings(uri=SecretStr(servers.mongo_uri), database="contract-api", driver=request.param)
    async with Mongo(settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        jobs = mongo.collection(Collection.JOBS)
        await jobs.delete_many({})
        await jobs.insert_many(JOBS)
        yield mongo


@pytest.mark.parametrize("filters", QUERIES, ids=str)
async def test_a_list_walks_its_index_and_sorts_nothing(mongo: Mongo, filters: dict[str, Any]) -> None:
    query = await MongoJobStore(mongo).query(JobFilters(**filters), None, owner="default")
    pipeline: list[dict[str, Any]] = [
        {"$match": query.lead},
        {"$sort": {"_id": query.direction}},
        {"$limit": 5},
    ]
    found = await stages(mongo, Collection.JOBS, pipeline, query.along)
    names = {stage["stage"] for stage in found}
    assert "IXSCAN" in names
    assert not names & {"COLLSCAN", "SORT"}, names
    assert {stage["indexName"] for stage in found if "indexName" in stage} == {query.along}


@pytest.mark.parametrize("filters", QUERIES, ids=str)
async def test_a_list_brings_what_its_filters_ask_for(mongo: Mongo, filters: dict[str, Any]) -> None:
    store, wanted = MongoJobStore(mongo), JobFilters(**filters)
    found: list[str] = []
    after = None
    while True:
        query = await store.query(wanted, after, owner="default")
        page = await store.page(query, limit=7, view_limit=LIST_LIMIT)
        found += [job["_id"] for job in page.records]
        if (after := page.last_id) is None:
            break
    expected = [job["_id"] for job in JOBS if _wanted(job, wanted)]
    assert found == (expected[::-1] if wanted.newest_first else expected)


async def test_a_listed_job_leaves_its_long_payload_at_home(mongo: Mongo) -> None:
    page = await MongoJobStore(mongo).page(
        query_of("default", JobFilters(), None), limit=60, view_limit=LIST_LIMIT
    )
    for job in page.records:
        number = next(n for n, known in enumerate(JOBS) if known["_id"] == job["_id"])
        assert job["payload"] == (JOBS[number]["payload"] if number * 100 + 2 <= LIST_LIMIT else "null")
    assert trimmed(1)[0]["$set"]["payload"]["$cond"][0] == fitting("$payload", 1)


async def test_a_page_gives_up_at_its_budget_and_says_where_to_go_on(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SCAN_BUDGET == 2_000
    monkeypatch.setattr("api.store.SCAN_BUDGET", 10)
    store, wanted = (
        MongoJobStore(mongo),
        JobFilters(tags=["even"], task="nobody's"),
    )
    pages, after = 0, None
    while True:
        query = await store.query(wanted, after, owner="default")
        page = await store.page(query, limit=5, view_limit=LIST_LIMIT)
        assert page.records == []
        pages += 1
        if (after := page.last_id) is None:
            break
    assert pages == 4


async def test_of_several_tags_the_rarest_leads(mongo: Mongo) -> None:
    store = MongoJobStore(mongo)

    async def leading(owner: str, *tags: str, batch: str | None = None) -> Any:
        query = await store.query(JobFilters(tags=tags, batch=batch), None, owner=owner)
        return query.lead.get("tags"), query.rest["tags"]

    assert await leading("default", "even", "third", "nobody's") == (
        "nobody's",
        {"$all": ["nobody's", "third", "even"]},
    )
    assert await leading("somebody", "even", "third") == ("even", {"$all": ["even", "third"]})
    assert await leading("default", "even", "third", batch="b1") == (None, {"$all": ["even", "third"]})


async def test_the_tasks_there_are_cost_a_step_each(mongo: Mongo) -> None:
    store = MongoJobStore(mongo)
    query = await store.query(JobFilters(states=["failed"]), None, owner="default")
    assert query.lead["task"] == {"$in": ["noop", "sleep"]}
    command = {"distinct": Collection.JOBS, "key": "task", "query": {"owner": "default"}}
    plan = await mongo.collection(Collection.JOBS).database.command("explain", command)
    assert "DISTINCT_SCAN" in str(plan["queryPlanner"]["winningPlan"])
    nobodys = await store.query(JobFilters(states=["failed"]), None, owner="somebody")
    assert (await store.page(nobodys, limit=5, view_limit=LIST_LIMIT)).records == []


async def test_jobs_of_a_state_are_found_among_very_many_tasks(mongo: Mongo) -> None:
    others = [record(f"02{n:06x}-0000-7000-8000-000000000000", task=f"task-{n}") for n in range(250)]
    await mongo.collection(Collection.JOBS).insert_many(others)
    store = MongoJobStore(mongo)
    query = await store.query(JobFilters(states=["pending"]), None, owner="default")
    page = await store.page(query, limit=300, view_limit=LIST_LIMIT)
    assert query.along == "by_owner"
    assert [job["_id"] for job in page.records] == [
        job["_id"] for job in reversed([*JOBS, *others]) if job["state"] == "pending"
    ]


async def test_who_holds_a_key_is_found_without_looking_at_any_other_job(mongo: Mongo) -> None:
    jobs = mongo.collection(Collection.JOBS)
    keyed = record(
        "0198ffff-0000-7000-8000-000000000001", unique_key="u", idempotency={"key": "k", "hash": ""}
    )
    await jobs.insert_one(keyed)
    owners = ["default", "somebody"]
    query = holding([(owner, "k") for owner in owners], [(owner, "u") for owner in owners])
    command = {"explain": {"find": "jobs", "filter": query}, "verbosity": "executionStats"}
    stats = (await jobs.database.command(command))["executionStats"]
    assert (stats["nReturned"], stats["totalDocsExamined"] <= 2) == (1, True), stats

"""Dead letters as the api reads them: each list along its index, groups from an index alone, whichever driver asks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from api.dead_letters import COUNTED, DeadLetters, LetterFilters, group_walk, letter_query
from job_contracts.indexes import INDEXES
from job_contracts.record import Collection
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.contract.api.plans import stages
from tests.support.product import Servers

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


def a_letter(number: int, kind: str, task: str | None, error: str, **fields: Any) -> dict[str, Any]:
    where = {"topic": "dead-letter", "partition": 0, "offset": number, "timestamp": BEGAN}
    letter = {
        "_id": f"letter-{number:03}",
        "kind": kind,
        "error": {"type": error, "message": "x"},
        "origin": where,
        "raw": b"{}",
        "created_at": BEGAN + timedelta(seconds=number),
        **fields,
    }
    return letter if task is None else {**letter, "task": task, "job": f"job-{number}", "owner": "default"}


LETTERS = [
    a_letter(0, "exhausted", "a", "Boom"),
    a_letter(1, "message_rejected", None, "UnreadableError"),
    a_letter(2, "rejected", "a", "Boom"),
    a_letter(3, "exhausted", "a", "Boom"),
    a_letter(4, "exhausted", "b", "Boom"),
    a_letter(5, "exhausted", "a", "Other"),
    a_letter(6, "message_rejected", None, "UnreadableError"),
    a_letter(7, "exhausted", "a", "Boom"),
]

QUERIES: list[dict[str, Any]] = [
    {},
    {"kind": "exhausted"},
    {"task": "a"},
    {"error_type": "Boom"},
    {"error_type": "Boom", "task": "a", "kind": "exhausted"},
    {"task": "a", "after": BEGAN + timedelta(seconds=2), "before": BEGAN + timedelta(seconds=6)},
    {"after": BEGAN + timedelta(seconds=5)},
]


@pytest.fixture(params=list(MongoDriver))
async def mongo(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Mongo]:
    settings = MongoSettings(
        uri=SecretStr(servers.mongo_uri), database="contract-api-letters", driver=request.param
    )
    async with Mongo(settings, indexes=INDEXES) as mongo:
        await mongo.ready()
        letters = mongo.collection(Collection.DEAD_LETTERS)
        await letters.delete_many({})
        await letters.insert_many(LETTERS)
        yield mongo


async def test_groups_count_letters_by_task_kind_and_type_of_error(mongo: Mongo) -> None:
    found = await DeadLetters(mongo).groups()
    told = [(g.task, g.kind, g.error_type, g.count, g.first, g.last) for g in found.groups]
    at = [letter["created_at"] for letter in LETTERS]
    assert told == [
        ("a", "exhausted", "Boom", 3, at[0], at[7]),
        (None, "message_rejected", "UnreadableError", 2, at[1], at[6]),
        ("a", "exhausted", "Other", 1, at[5], at[5]),
        ("b", "exhausted", "Boom", 1, at[4], at[4]),
        ("a", "rejected", "Boom", 1, at[2], at[2]),
    ]
    assert found.complete


async def test_groups_are_counted_from_an_index_without_any_letter_being_read(mongo: Mongo) -> None:
    assert COUNTED == 100_000
    found = await stages(mongo, Collection.DEAD_LETTERS, group_walk(COUNTED), "groups")
    names = {stage["stage"] for stage in found}
    assert "IXSCAN" in names
    assert not names & {"COLLSCAN", "FETCH", "SORT"}, names


async def test_groups_of_the_newest_letters_alone_say_that_there_are_more(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dead_letters.COUNTED", 4)
    newest = await DeadLetters(mongo).groups()
    assert sum(group.count for group in newest.groups) == 4
    assert not newest.complete
    monkeypatch.setattr("api.dead_letters.COUNTED", 100)
    monkeypatch.setattr("api.dead_letters.GROUPS", 2)
    largest = await DeadLetters(mongo).groups()
    assert [group.count for group in largest.groups] == [3, 2]
    assert not largest.complete


async def test_without_letters_there_are_no_groups(mongo: Mongo) -> None:
    await mongo.collection(Collection.DEAD_LETTERS).delete_many({})
    found = await DeadLetters(mongo).groups()
    assert (found.groups, found.complete) == ([], True)


@pytest.mark.parametrize("filters", QUERIES, ids=str)
async def test_a_list_of_letters_walks_its_index_and_sorts_nothing(
    mongo: Mongo, filters: dict[str, Any]
) -> None:
    query, index = letter_query(LetterFilters(**filters), None)
    walk: list[dict[str, Any]] = [
        {"$match": query},
        {"$sort": {"created_at": -1, "_id": -1}},
        {"$limit": 5},
    ]
    found = await stages(mongo, Collection.DEAD_LETTERS, walk, index)
    names = {stage["stage"] for stage in found}
    assert "IXSCAN" in names
    assert not names & {"COLLSCAN", "SORT"}, names
    assert {stage["indexName"] for stage in found if "indexName" in stage} == {index}


@pytest.mark.parametrize("filters", QUERIES, ids=str)
async def test_a_list_of_letters_brings_what_its_filters_ask_for(
    mongo: Mongo, filters: dict[str, Any]
) -> None:
    wanted = LetterFilters(**filters)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await DeadLetters(mongo).page(wanted, limit=2, cursor=cursor)
        found += [letter.id for letter in page.dead_letters]
        if (cursor := page.next_cursor) is None:
            break
    expected = [
        letter["_id"]
        for letter in LETTERS[::-1]
        if wanted.kind in (None, letter["kind"])
        and wanted.task in (None, letter.get("task"))
        and wanted.error_type in (None, letter["error"]["type"])
        and (wanted.after is None or letter["created_at"] >= wanted.after)
        and (wanted.before is None or letter["created_at"] < wanted.before)
    ]
    assert found == expected

"""Which index a list walks, what is left to filter, and cursors."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils import uuid7

from api.listing import JobFilters, first_id_at, query_of, read_cursor, read_job_cursor, write_cursor
from api.problems import Problem
from job_contracts.indexes import INDEXES
from job_contracts.record import Collection

AFTER = "0198c0de-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("filters", "index", "rest"),
    [
        ({}, "by_owner", set()),
        ({"states": ["failed"]}, "by_task_and_state", set()),
        ({"task": "noop"}, "by_task_and_state", set()),
        ({"tags": ["a"]}, "by_tag", set()),
        ({"tags": ["a", "b"]}, "by_tag", {"tags"}),
        ({"batch": "b"}, "by_batch", {"owner"}),
        ({"error_type": "E"}, "by_error", set()),
        ({"unique_key": "u"}, "by_unique_key", set()),
        ({"unique_key": "u", "batch": "b", "task": "x"}, "by_unique_key", {"batch", "task"}),
        ({"states": ["failed"], "task": "noop"}, "by_task_and_state", set()),
        ({"states": ["failed"], "error_type": "E"}, "by_error", set()),
        ({"states": ["failed"], "tags": ["a"], "error_type": "E"}, "by_tag", {"state", "error.type"}),
        (
            {"batch": "b", "tags": ["a"], "states": ["failed"], "task": "x"},
            "by_batch",
            {"owner", "tags", "state", "task"},
        ),
    ],
)
def test_the_narrowest_index_leads(filters: dict[str, Any], index: str, rest: set[str]) -> None:
    query = query_of("default", JobFilters(**filters), None, tasks=["noop", "sleep"])
    assert (query.along, set(query.rest)) == (index, rest)
    spec = next(spec for spec in INDEXES[Collection.JOBS] if spec.name == index)
    assert set(query.lead) - {"state"} <= {name for name, _ in spec.keys}
    assert query.lead.get("owner", query.rest.get("owner")) == "default"


def test_with_more_walks_than_are_merged_in_order_all_jobs_are_looked_through() -> None:
    filters = JobFilters(states=["failed", "cancelled"])
    fewer, more = (query_of("default", filters, None, tasks=[f"t{n}" for n in range(m)]) for m in (100, 101))
    assert (fewer.along, fewer.rest) == ("by_task_and_state", {})
    assert len(fewer.lead["task"]["$in"]) == 100
    assert (more.along, more.lead) == ("by_owner", {"owner": "default"})
    assert more.rest == {"state": {"$in": ["failed", "cancelled"]}}


def test_failed_jobs_alone_have_errors_to_look_for() -> None:
    query = query_of("default", JobFilters(error_type="E", states=["running"]), None)
    assert query.lead["state"] == "-"


def test_times_become_bounds_of_the_id() -> None:
    now = datetime.now(UTC)
    query = query_of(
        "default",
        JobFilters(created_after=now - timedelta(minutes=1), created_before=now + timedelta(minutes=1)),
        None,
    )
    assert query.lead["_id"]["$gte"] < str(uuid7()) < query.lead["_id"]["$lt"]
    assert (
        first_id_at(datetime(1900, 1, 1, tzinfo=UTC))
        < first_id_at(now)
        < first_id_at(datetime.max.replace(tzinfo=UTC))
    )


@pytest.mark.parametrize(("newest_first", "bounds"), [(True, {"$lt": AFTER}), (False, {"$gt": AFTER})])
def test_a_page_begins_behind_the_one_before(newest_first: bool, bounds: dict[str, str]) -> None:
    assert query_of("default", JobFilters(newest_first=newest_first), AFTER).lead["_id"] == bounds


@given(
    st.lists(
        st.text(st.characters(blacklist_characters="\n", codec="utf-8"), max_size=50),
        min_size=1,
        max_size=3,
    )
)
def test_a_cursor_brings_back_what_was_put_into_it(parts: list[str]) -> None:
    cursor = write_cursor(*parts)
    if cursor:
        assert read_cursor(cursor, len(parts)) == parts


@given(st.text(max_size=80))
def test_a_cursor_that_is_none_is_named(text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_job_cursor(text, "newest")
    assert [error.pointer for error in caught.value.errors] == ["/cursor"]


def test_a_cursor_belongs_to_its_order() -> None:
    with pytest.raises(Problem, match="/cursor"):
        read_job_cursor(write_cursor("newest", AFTER), "oldest")
    assert read_job_cursor(write_cursor("newest", AFTER), "newest") == AFTER

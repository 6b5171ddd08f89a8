"""Versions of a task: the one that judges, whoever starts in whatever order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.catalogue import Catalogue, newest_first
from tests.unit.api.fakes import FakeTasks, task_doc

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def version(field: str, *, first: int, seen: int = 0) -> dict[str, Any]:
    schema = {"type": "object", "required": [field]}
    moments = {"first_seen": START + timedelta(hours=first), "seen_at": START + timedelta(hours=seen)}
    return {**task_doc("noop", schema), **moments}


STORED = {"old": version("name", first=1, seen=9), "new": version("names", first=2, seen=2)}


@pytest.mark.parametrize(
    ("workers", "judges"),
    [
        ({"old": ["w-1"], "new": ["w-2"]}, "new"),
        ({"old": ["w-1", "w-3"], "new": []}, "old"),
        ({"new": ["w-2"]}, "new"),
        ({}, "old"),
    ],
)
def test_the_version_that_was_seen_first_last_judges_while_a_live_worker_has_it(
    workers: dict[str, list[str]], judges: str
) -> None:
    """An old worker that starts anew, the last of all, takes nothing over; one that is alone does."""
    assert newest_first({"versions": STORED, "workers": workers})[0].digest == judges


async def test_payloads_are_judged_by_the_newest_version_and_the_entry_names_it() -> None:
    store = FakeTasks()
    store.docs = [{**task_doc("noop"), "versions": STORED, "workers": {"old": ["w-1"], "new": ["w-2"]}}]
    entry = await Catalogue(store=store).task("noop")
    assert entry.digest == "new"
    assert entry.errors({"name": 1})
    assert not entry.errors({"names": []})
    assert [(v.digest, v.workers) for v in entry.view.versions] == [("new", ["w-2"]), ("old", ["w-1"])]


async def test_what_an_old_worker_has_stored_judges_without_a_version() -> None:
    store = FakeTasks()
    store.docs = [task_doc("noop")]
    entry = await Catalogue(store=store).task("noop")
    assert entry.digest is None
    assert entry.view.versions == []

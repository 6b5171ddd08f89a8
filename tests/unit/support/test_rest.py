"""What is left undone after a fault, what processes hold, and what a person finds when a promise was broken."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.checking.dump import dump
from tests.support.checking.footprint import Footprint, grown
from tests.support.checking.rest import unrest
from tests.support.records import Document
from tests.unit.support.logs import BAD, GOOD, honest

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORKERS: list[Document] = [
    {"_id": "w-alive", "alive_until": NOW + timedelta(seconds=9)},
    {"_id": "w-dead", "alive_until": NOW - timedelta(seconds=1)},
]


def live(state: str, *, wakes_in: float = 60, worker: str | None = None) -> Document:
    job = {"_id": GOOD, "state": state, "wake_at": NOW + timedelta(seconds=wakes_in)}
    return job if worker is None else {**job, "worker": worker}


@pytest.mark.parametrize(
    ("job", "wrong"),
    [
        (live("pending"), ""),
        (live("pending", wakes_in=-30), "is pending and overdue"),
        (live("waiting", wakes_in=-30), "is waiting and overdue"),
        (live("running", worker="w-alive"), ""),
        (live("running", worker="w-dead"), "runs on w-dead, whose lease has expired"),
        (live("running", worker="w-gone"), "runs on w-gone"),
        (live("running"), "runs on None"),
        ({**live("pending"), "wake_at": NOW.replace(tzinfo=None)}, ""),
    ],
)
def test_what_is_left_undone_is_named(job: Document, wrong: str) -> None:
    found = unrest([job], WORKERS, NOW)
    assert len(found) == bool(wrong)
    assert all(what.startswith("I5:") and wrong in what for what in found)


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (Footprint(120 << 20, 40, 30), []),
        (Footprint(400 << 20, 40, 30), ["api-1"]),
        (Footprint(100 << 20, 900, 30), ["api-1"]),
        (Footprint(100 << 20, 40, 900), ["api-1"]),
    ],
)
def test_a_process_that_holds_ever_more_is_named(now: Footprint, names: list[str]) -> None:
    before = {"api-1": Footprint(100 << 20, 40, 30)}
    wrong = grown(before, {"api-1": now, "api-2": now})
    assert [what.split()[1] for what in wrong] == names


def test_all_logs_of_a_broken_run_can_be_read_line_by_line(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in dump(honest(), tmp_path / "logs.jsonl").read_text().splitlines()]
    calls = [line["type"] for line in lines if line["log"] == "client"]
    assert calls == ["invoke", "info", "invoke", "ok", "invoke", "ok"]
    assert [line["state"] for line in lines if line["log"] == "mongo" and line["job"] == BAD] == [
        "pending",
        "running",
        "failed",
    ]
    assert {line["log"] for line in lines} == {
        "client",
        "mongo",
        "record",
        "dead letter",
        "topic",
        "page",
        "upstream",
    }

"""What is counted of jobs that end: it adds up, however it was split, and still tells how long they took."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from job_contracts.minutes import KEPT, Ending, additions, class_of, quantile
from tests.contract.builders import job_record

BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

times = st.floats(0.001, 80_000)


def an_ending(
    second: float,
    task: str = "noop",
    run: float | None = 1,
    waited: float = 0,
    state: str = "succeeded",
    **fields: Any,
) -> Ending:
    ended = BEGAN + timedelta(seconds=second)
    record = job_record(state, task=task, finished_at=ended, waited=round(waited * 1000), **fields)
    return Ending(record, run)


def test_each_minute_task_and_owner_has_sums_of_its_own() -> None:
    endings = [
        an_ending(0),
        an_ending(59.9),
        an_ending(60),
        an_ending(1, task="other"),
        an_ending(1, owner="somebody"),
        an_ending(1, state="failed", run=None),
    ]
    found = {tuple(of["_id"].values()): update for of, update in additions(endings)}
    counted = {key: (u["$inc"]["finished"], u["$inc"]["failed"]) for key, u in found.items()}
    next_minute = BEGAN + timedelta(minutes=1)
    assert counted == {
        ("default", BEGAN, "noop"): (2, 1),
        ("default", next_minute, "noop"): (1, 0),
        ("default", BEGAN, "other"): (1, 0),
        ("somebody", BEGAN, "noop"): (1, 0),
    }
    assert found["default", next_minute, "noop"]["$setOnInsert"] == {"expire_at": next_minute + KEPT}


def test_a_job_that_was_claimed_by_an_older_worker_counts_without_its_wait() -> None:
    ending = an_ending(0)
    older = {name: value for name, value in ending.record.items() if name != "waited"}
    ((_, update),) = additions([Ending(older, 1)])
    assert update["$inc"] == {"finished": 1, "failed": 0, "run.sum": 1, "run.classes.40": 1}


def test_nothing_that_ended_adds_nothing() -> None:
    assert additions([]) == []


@given(runs=st.lists(st.tuples(times, times), max_size=30), cut=st.integers(0, 30))
def test_what_two_processes_count_adds_up_to_what_one_would_have(
    runs: list[tuple[float, float]], cut: int
) -> None:
    endings = [an_ending(0, run=run, waited=waited) for waited, run in runs]
    whole, parts = Counter[str](), Counter[str]()
    for _, update in additions(endings):
        whole.update(update["$inc"])
    for _, update in [*additions(endings[:cut]), *additions(endings[cut:])]:
        parts.update(update["$inc"])
    assert whole.keys() == parts.keys()
    assert all(math.isclose(whole[path], parts[path]) for path in whole)


@given(spans=st.lists(times, min_size=1, max_size=50), share=st.sampled_from([0.5, 0.95]))
def test_a_histogram_tells_a_quantile_to_within_a_tenth(spans: list[float], share: float) -> None:
    histogram = {str(number): n for number, n in Counter(map(class_of, spans)).items()}
    told, true = quantile(histogram, share), sorted(spans)[math.ceil(len(spans) * share) - 1]
    assert told is not None
    assert true / 1.1 <= told + 0.0005
    assert told - 0.0005 <= true * 1.1

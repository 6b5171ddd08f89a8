"""The checker is shown runs in which one promise is broken, and has to name it."""

import pytest
from aiokafka import TopicPartition

from job_contracts.topics import Topic
from tests.support.checking.evidence import Ends, Findings
from tests.support.checking.upstream import within_quota
from tests.support.unsplash import Request
from tests.unit.support import logs
from tests.unit.support.broken import BREAKS, OTHER, Breaker, poison_changed
from tests.unit.support.logs import BAD, GOOD, STATES, honest, judged, life, record


def test_an_honest_run_passes_and_is_counted() -> None:
    counted = judged(honest()).verdict()
    assert counted["accepted"] == counted["finished"] == 2
    assert counted["failed"] == counted["dead letters"] == counted["repeated posts"] == 1
    assert counted["duplicates"] == counted["extra attempts"] == counted["never answered"] == 0
    assert counted["recovery s"] > 0
    assert counted["not accepted"] == {"503": 1}


@pytest.mark.parametrize(
    ("promise", "words", "broken"), BREAKS, ids=[f"{promise} {words}" for promise, words, _ in BREAKS]
)
def test_a_broken_promise_is_named(promise: str, words: str, broken: Breaker) -> None:
    findings = judged(broken(honest()))
    assert [w for w in findings.wrong if w.startswith(f"{promise}:") and words in w], findings.wrong
    with pytest.raises(AssertionError, match=promise):
        findings.verdict()


def test_a_redriven_job_may_end_once_a_drive() -> None:
    path = life("pending", "running", "failed", "pending", "running", "succeeded")
    first = logs.standing(Topic.DEAD_LETTER, 8, logs.failed(GOOD))
    run = honest()
    events = [e for e in run.events if e.offset != 3]
    told = zip((3, 4, 6), ("failed", "pending", "succeeded"), strict=True)
    findings = judged(
        run,
        stored={**run.stored, GOOD: record(GOOD, "succeeded", 6)},
        steps={**run.steps, GOOD: path},
        results={GOOD: [5]},
        letters=[*run.letters, first],
        kept=[*run.kept, logs.kept(first, GOOD)],
        events=[*events, *(logs.standing(Topic.JOB_EVENTS, 90, logs.changed(GOOD, v, s)) for v, s in told)],
        pages=[logs.page({**STATES, GOOD: tuple(s.state for s in path)})],
        ends=Ends(must_fail={BAD}, redriven={GOOD}),
    )
    assert findings.wrong == []


@pytest.mark.parametrize("path", [("waiting", "waiting", "pending", "running", "succeeded")])
def test_a_job_may_wait_on_for_another_reason(path: tuple[str, ...]) -> None:
    run = honest()
    events = [e for e in run.events if e.offset > 3]
    told = [logs.standing(Topic.JOB_EVENTS, 50 + v, logs.changed(GOOD, v, s)) for v, s in enumerate(path, 1)]
    findings = judged(
        run,
        stored={**run.stored, GOOD: record(GOOD, "succeeded", 5)},
        steps={**run.steps, GOOD: life(*path)},
        results={GOOD: [4]},
        events=[*events, *told],
        pages=[logs.page({**STATES, GOOD: path})],
    )
    assert findings.wrong == []


def test_a_letter_from_before_the_run_is_not_its_business() -> None:
    run = honest()
    old = logs.standing(Topic.DEAD_LETTER, 2, logs.failed(OTHER))
    since = {**run.since, TopicPartition("dead-letter", 0): 5}
    assert judged(run, kept=[*run.kept, logs.kept(old, OTHER)], since=since).wrong == []


def test_poison_that_was_kept_byte_for_byte_is_in_order() -> None:
    run = poison_changed(honest())
    letter = logs.standing(Topic.DEAD_LETTER, 9, b"\xff noise on the topic itself")
    put = {("jobs", 0, 5): run.kept[-1]["raw"], ("dead-letter", 0, 9): letter.value}
    kept = [*run.kept, logs.kept(letter, None)]
    assert judged(run, poison=put, letters=[*run.letters, letter], kept=kept).wrong == []


def test_what_came_twice_is_counted_and_no_crime() -> None:
    run = honest()
    findings = judged(
        run,
        requested=[*run.requested, run.requested[0]],
        succeeded=[run.succeeded[0]] * 3,
        results={GOOD: [2, 1]},
    )
    assert findings.wrong == []
    counted = findings.counted
    assert (counted["repeated requests"], counted["repeated results"], counted["duplicates"]) == (1, 2, 3)
    assert counted["stray results"] == 1


@pytest.mark.parametrize(
    ("requests", "seconds", "broken"), [(50, 1, False), (51, 3_599, True), (51, 3_601, False)]
)
def test_the_quota_holds_in_every_window_wherever_it_begins(
    requests: int, seconds: float, broken: bool
) -> None:
    asked = [Request("GET", "/", {}, at=100 + n * seconds / (requests - 1)) for n in range(requests)]
    findings = Findings()
    within_quota(findings, asked, quota=50, window=3_600)
    assert bool(findings.wrong) == broken


def test_noise_among_the_events_is_counted() -> None:
    run = honest()
    noise = logs.standing(Topic.JOB_EVENTS, 70, b"noise")
    assert judged(run, events=[*run.events, noise]).verdict()["noise among events"] == 1


def test_a_long_list_of_broken_promises_is_cut_but_counted() -> None:
    findings = Findings(wrong=[f"I1: {n}" for n in range(100)])
    with pytest.raises(AssertionError, match=r"100 broken promises(?s:.)*all logs: here"):
        findings.verdict(dumped="here")

"""Runs in which one promise is broken: each made from an honest one by changing one log."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from job_contracts.messages import ErrorInfo, MessageRejected, Origin
from job_contracts.topics import Topic
from tests.support.checking.evidence import Ends, Evidence
from tests.support.records import Step
from tests.unit.support import logs
from tests.unit.support.logs import BAD, GOOD, STATES, life, record

OTHER: Final = "0198c0de-0000-7000-8000-000000000003"

Breaker = Callable[[Evidence], Evidence]

BREAKS: Final[list[tuple[str, str, Breaker]]] = []
"""The promise that is broken, words in which the checker says so, and how to break it."""


def breaks(promise: str, words: str) -> Callable[[Breaker], Breaker]:
    def note(breaker: Breaker) -> Breaker:
        BREAKS.append((promise, words, breaker))
        return breaker

    return note


def without(run: Evidence, job: str) -> dict[str, Any]:
    return {name: {k: v for k, v in getattr(run, name).items() if k != job} for name in ("stored", "steps")}


@breaks("I1", "accepted and is not there")
def lost(run: Evidence) -> Evidence:
    return replace(run, **without(run, GOOD))


@breaks("I1", "is running, not succeeded")
def still_running(run: Evidence) -> Evidence:
    return replace(
        run,
        stored={**run.stored, GOOD: record(GOOD, "running", 2)},
        steps={**run.steps, GOOD: life("pending", "running")},
    )


@breaks("I1", "is failed, not succeeded")
def ended_wrongly(run: Evidence) -> Evidence:
    return replace(run, ends=Ends())


@breaks("I1", "without a result")
def no_result(run: Evidence) -> Evidence:
    return replace(run, results={})


@breaks("I1", "never answered, and is pending")
def unanswered_and_stuck(run: Evidence) -> Evidence:
    return replace(
        run,
        stored={**run.stored, OTHER: record(OTHER, "pending", 1)},
        steps={**run.steps, OTHER: life("pending")},
    )


@breaks("I2", "ended 2 times")
def two_finals(run: Evidence) -> Evidence:
    path = life("pending", "running", "failed", "pending", "running", "succeeded")
    return replace(
        run, stored={**run.stored, GOOD: record(GOOD, "succeeded", 6)}, steps={**run.steps, GOOD: path},
        results={GOOD: [5]},
    )  # fmt: skip


@breaks("I2", "went on after its end")
def went_on(run: Evidence) -> Evidence:
    path = [*life("pending", "running", "failed"), *life("pending", "running", "failed", "pending")[3:]]
    return replace(run, steps={**run.steps, BAD: path})


@breaks("I3", "jumped")
def jumped(run: Evidence) -> Evidence:
    path = [Step(1, "pending"), Step(3, "running"), Step(4, "succeeded")]
    return replace(run, steps={**run.steps, GOOD: path})


@breaks("I3", "illegal move")
def illegal(run: Evidence) -> Evidence:
    return replace(run, steps={**run.steps, GOOD: life("pending", "waiting", "succeeded")})


@breaks("I3", "began oddly")
def never_born(run: Evidence) -> Evidence:
    return replace(run, steps={**run.steps, GOOD: life("pending", "running", "succeeded")[1:]})


@breaks("I3", "differs from its last step")
def other_record(run: Evidence) -> Evidence:
    return replace(run, stored={**run.stored, GOOD: record(GOOD, "succeeded", 4)}, results={GOOD: [3]})


@breaks("I4", "asked 2 times")
def asked_twice(run: Evidence) -> Evidence:
    return replace(run, upstream=[*run.upstream, run.upstream[0]])


@breaks("I7", "was not kept")
def letter_not_kept(run: Evidence) -> Evidence:
    return replace(run, kept=[])


@breaks("I7", "without a message")
def letter_without_message(run: Evidence) -> Evidence:
    return replace(run, letters=[])


@breaks("I7", "was changed")
def letter_changed(run: Evidence) -> Evidence:
    return replace(run, kept=[{**run.kept[0], "raw": b"{}"}])


@breaks("I7", "kept twice")
def letter_kept_twice(run: Evidence) -> Evidence:
    return replace(run, kept=[*run.kept, {**run.kept[0], "_id": "another"}])


@breaks("I7", "did not earn")
def letter_unearned(run: Evidence) -> Evidence:
    letter = logs.standing(Topic.DEAD_LETTER, 8, logs.failed(GOOD))
    return replace(run, letters=[*run.letters, letter], kept=[*run.kept, logs.kept(letter, GOOD)])


@breaks("I7", "failed without a letter")
def failed_without_letter(run: Evidence) -> Evidence:
    return replace(run, letters=[], kept=[])


def rejected(value: bytes) -> MessageRejected:
    source = Origin(topic="jobs", partition=0, offset=5, timestamp=datetime.now(UTC))
    return MessageRejected(source=source, error=ErrorInfo(type="Unreadable", message="?"), raw=value)


@breaks("I7", "was called unreadable")
def called_unreadable(run: Evidence) -> Evidence:
    letter = logs.standing(Topic.DEAD_LETTER, 8, rejected(b"fine"))
    return replace(run, letters=[*run.letters, letter], kept=[*run.kept, logs.kept(letter, None)])


@breaks("I7", "the poison at")
def poison_changed(run: Evidence) -> Evidence:
    return replace(called_unreadable(run), poison={("jobs", 0, 5): b"poison"})


@breaks("I7", "poison was not kept")
def poison_lost(run: Evidence) -> Evidence:
    return replace(run, poison={("jobs", 0, 5): b"poison"})


def _announced(job: str, version: int, state: str, *, owner: str = "default") -> Any:
    def add(run: Evidence) -> Evidence:
        event = logs.standing(Topic.JOB_EVENTS, 99, logs.changed(job, version, state, owner=owner))
        return replace(run, events=[*run.events, event])

    return add


@breaks("I6", "the end of")
def end_unannounced(run: Evidence) -> Evidence:
    return replace(run, events=[e for e in run.events if e.offset != 3])


@breaks("I6", "the page shows running v2")
def stale_page(run: Evidence) -> Evidence:
    return replace(run, pages=[logs.page({**STATES, GOOD: ("pending", "running")})])


@breaks("I6", "the page shows nothing")
def blind_page(run: Evidence) -> Evidence:
    return replace(run, pages=[*run.pages, logs.page({BAD: STATES[BAD]})])


@breaks("I6", "went back")
def page_back(run: Evidence) -> Evidence:
    page = logs.page(STATES)
    logs.see(page, GOOD, 2, "running")
    return replace(run, pages=[page])


@breaks("I6", "end as ['failed', 'succeeded']")
def page_two_ends(run: Evidence) -> Evidence:
    page = logs.page({**STATES, GOOD: ("pending", "failed", "succeeded")})
    return replace(run, pages=[page])


@breaks("I9", "was shown one of mallory")
def page_of_another(run: Evidence) -> Evidence:
    page = logs.page(STATES)
    logs.see(page, GOOD, 4, "succeeded", owner="mallory")
    return replace(run, pages=[page])


@breaks("I8", "made 2 jobs")
def key_answered_twice(run: Evidence) -> Evidence:
    return replace(run, posts=[*run.posts, logs.post(BAD, f"key of {GOOD}", 200)])


@breaks("I8", "made 2 jobs")
def key_stored_twice(run: Evidence) -> Evidence:
    key = {"key": f"key of {GOOD}"}
    return replace(run, stored={**run.stored, BAD: record(BAD, "failed", idempotency=key)})


BREAKS.append(("I6", "was announced as ['running'] and was None", _announced(GOOD, 4, "running")))
BREAKS.append(("I6", "was announced as ['running', 'waiting']", _announced(GOOD, 2, "waiting")))
BREAKS.append(("I6", "was announced as ['failed', 'succeeded']", _announced(GOOD, 3, "failed")))
BREAKS.append(("I9", "is for mallory", _announced(GOOD, 3, "succeeded", owner="mallory")))

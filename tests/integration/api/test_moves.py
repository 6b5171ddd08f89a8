"""What people do beside cancel and redrive: keys, times, priorities, pauses, many jobs at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest

from job_contracts.keeping import append_logs
from tests.integration.api.conftest import Hand
from tests.support.api import Api
from tests.support.records import Records
from tests.support.waiting import until

NOBODY = "0198c0de-0000-7000-8000-00000000dead"


def _slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"]).removeprefix("/problems/")


def _pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def _letter(records: Records, job: str, **fields: Any) -> str:
    """Store a dead letter of a job as dlq-worker does."""
    now = datetime.now(UTC)
    letter = {
        "_id": f"cluster.dead-letter.0.{uuid4()}",
        "kind": "rejected",
        "job": job,
        "task": "noop",
        "owner": "default",
        "error": {"type": "Boom", "message": "it broke"},
        "origin": {"topic": "dead-letter", "partition": 0, "offset": 1, "timestamp": now},
        "raw": b"{}",
        "redriven": 0,
        "created_at": now,
        **fields,
    }
    await records.database["dead_letters"].insert_one(letter)
    return str(letter["_id"])


async def _failed(api: Api, hand: Hand, **fields: Any) -> str:
    job = await api.submit(**fields)
    await hand.claim(job)
    await hand.fail(job)
    return job


async def test_one_unique_key_posted_at_once_by_many_makes_one_live_job(api: Api, hand: Hand) -> None:
    body = {"task": "noop", "unique_key": str(uuid4())}
    answers = await asyncio.gather(*(api.post(body) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [202]
    (job,) = {answer.json()["id"] for answer in answers}
    assert {answer.headers["location"] for answer in answers} == {f"/jobs/{job}"}
    assert [view["id"] for view in await api.listed(unique_key=body["unique_key"])] == [job]
    await hand.claim(job)
    running = await api.post(body)
    assert (running.status_code, running.json()["state"], running.json()["id"]) == (200, "running", job)
    await hand.succeed(job)
    again = await api.post(body)
    assert (again.status_code, again.json()["unique_key"]) == (202, body["unique_key"])
    assert again.json()["id"] != job
    assert len(await api.listed(unique_key=body["unique_key"])) == 2


async def test_a_job_whose_unique_key_is_taken_is_not_redriven(api: Api, hand: Hand) -> None:
    key = str(uuid4())
    failed = await _failed(api, hand, unique_key=key)
    holder = await api.submit(unique_key=key)
    answer = await api.redrive(failed)
    assert (answer.status_code, _slug(answer)) == (409, "unique-key-held")
    await api.cancel(holder)
    assert (await api.redrive(failed)).status_code == 202


async def test_a_submission_says_how_long_it_is_wanted_and_how_urgently(api: Api, records: Records) -> None:
    answer = await api.post({"task": "noop", "priority": "low", "expires_in": 90})
    view = answer.json()
    assert (view["state"], view["reason"], view["priority"]) == ("waiting", "low_priority", "low")
    assert _at(view["expire_by"]) - _at(view["created_at"]) == timedelta(seconds=90)
    assert view["wake_at"] == view["expire_by"]
    assert (await api.get(f"/jobs/{view['id']}")).json() == view
    scheduled = (await api.post({"task": "noop", "priority": "low", "delay": 60})).json()
    assert (scheduled["reason"], scheduled["priority"]) == ("scheduled", "low")
    normal = (await api.post({"task": "noop"})).json()
    assert (normal["priority"], normal["expire_by"]) == ("normal", None)
    stored = await records.job(normal["id"])
    assert not {"priority", "expire_by", "unique_key"} & stored.keys()


async def test_a_waiting_job_is_given_another_time_or_priority(api: Api) -> None:
    job = await api.submit(delay=600)
    soon = datetime.now(UTC) + timedelta(seconds=60)
    answer = await api.patch(job, run_at=soon.isoformat())
    view = answer.json()
    assert (answer.status_code, view["version"], view["reason"]) == (200, 2, "scheduled")
    assert abs(_at(view["wake_at"]) - soon) < timedelta(milliseconds=1)
    assert (await api.patch(job, priority="low")).json()["priority"] == "low"
    assert (await api.patch(job, priority="normal")).json()["priority"] == "normal"
    assert (await api.view(job))["version"] == 4


async def test_a_job_that_yields_is_let_go_by_normal_priority_or_gets_a_time(api: Api) -> None:
    now = datetime.now(UTC)
    for change, sooner in (
        ({"priority": "normal"}, True),
        ({"run_at": (now + timedelta(days=2)).isoformat()}, False),
    ):
        job = await api.submit(priority="low")
        view = (await api.patch(job, **change)).json()
        assert (view["state"], view["reason"]) == ("waiting", "scheduled")
        assert (_at(view["wake_at"]) < now + timedelta(minutes=1)) == sooner


async def test_a_change_must_suit_the_job(api: Api, hand: Hand) -> None:
    job = await api.submit(delay=600, expires_in=900)
    late = (datetime.now(UTC) + timedelta(seconds=901)).isoformat()
    for body, pointers in (
        ({}, [""]),
        ({"payload": {}}, ["/payload"]),
        ({"run_at": None}, ["/run_at"]),
        ({"run_at": "soon"}, ["/run_at"]),
        ({"run_at": late}, ["/run_at"]),
        ({"run_at": "2099-01-01T00:00:00Z"}, ["/run_at"]),
        ({"priority": "high", "x": 1}, ["/priority", "/x"]),
    ):
        assert sorted(_pointers(await api.patch(job, **body))) == pointers
    assert (await api.view(job))["version"] == 1
    pending = await api.submit()
    assert _slug(await api.patch(pending, priority="low")) == "job-not-waiting"
    await hand.claim(pending)
    assert _slug(await api.patch(pending, run_at=late)) == "job-not-waiting"
    for nobody in (NOBODY, "x"):
        assert (await api.patch(nobody, priority="low")).status_code == 404


async def test_all_live_jobs_of_a_tag_are_stopped_at_once(api: Api, hand: Hand) -> None:
    tag = str(uuid4())
    waiting = [await api.submit(delay=60, tags=[tag]) for _ in range(3)]
    running, done, other = [await api.submit(tags=[tag]) for _ in range(2)] + [await api.submit()]
    await hand.claim(running)
    await hand.claim(done)
    await hand.succeed(done)
    dry = await api.cancel_many(tag=tag, dry_run=True)
    counts = {"matched": 4, "cancelled": 3, "requested": 1, "complete": True}
    assert (dry.status_code, dry.json()) == (200, counts)
    assert {view["state"] for view in await api.listed(tag=tag)} == {"waiting", "running", "succeeded"}
    answer = await api.cancel_many(tag=tag)
    assert (answer.status_code, answer.json()) == (202, counts)
    assert {(await api.view(job))["state"] for job in waiting} == {"cancelled"}
    asked = await api.view(running)
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    assert (await api.view(done))["state"] == "succeeded"
    assert (await api.view(other))["state"] == "pending"
    assert (await api.cancel_many(tag=tag)).json()["matched"] == 0


async def test_whatever_is_no_filter_stops_nothing(api: Api) -> None:
    assert _pointers(await api.cancel_many()) == ["/filter"]
    assert _pointers(await api.cancel_many(state="failed")) == ["/filter/state"]
    assert _pointers(await api.cancel_many(owner="me")) == ["/filter/owner"]
    cancels: list[tuple[dict[str, Any], str]] = [
        ({}, "/filter"),
        ({"filter": {"task": "x"}, "dry": True}, "/dry"),
    ]
    for body, pointer in cancels:
        assert _pointers(await api.call("POST", "/jobs/cancel", json=body)) == [pointer]
    redrives: list[tuple[dict[str, Any], str]] = [
        ({}, "/filter"),
        ({"filter": {"state": "failed"}}, "/filter/state"),
        ({"filter": {"after": "now"}}, "/filter/after"),
        ({"filter": {}, "rate_per_second": 0}, "/rate_per_second"),
    ]
    for body, pointer in redrives:
        assert _pointers(await api.call("POST", "/dead-letters/redrive", json=body)) == [pointer]


async def test_many_failed_jobs_are_redriven_at_once_or_at_a_rate(
    api: Api, hand: Hand, records: Records
) -> None:
    await records.database["dead_letters"].delete_many({})
    at_once = [await _failed(api, hand) for _ in range(3)]
    letters = [await _letter(records, job) for job in at_once]
    dry = await api.redrive_many(error_type="Boom", dry_run=True)
    assert (dry.status_code, dry.json()) == (
        200,
        {"matched": 3, "redriven": 3, "skipped": 0, "complete": True},
    )
    assert {(await api.view(job))["state"] for job in at_once} == {"failed"}
    answer = await api.redrive_many(error_type="Boom", kind="rejected", task="noop")
    assert (answer.status_code, answer.json()["redriven"]) == (202, 3)
    views = [await api.view(job) for job in at_once]
    assert {(view["state"], view["redrives"], view["error"]) for view in views} == {("pending", 1, None)}
    shown = [(await api.get(f"/dead-letters/{letter}")).json()["redriven"] for letter in letters]
    assert shown == [1, 1, 1]
    again = (await api.redrive_many(error_type="Boom")).json()
    assert (again["matched"], again["redriven"], again["skipped"]) == (3, 0, 3)
    later = [await _failed(api, hand) for _ in range(4)]
    since = datetime.now(UTC)
    for job in later:
        await _letter(records, job)
    assert (await api.redrive_many(before=since.isoformat())).json()["redriven"] == 0
    answer = await api.redrive_many(after=since.isoformat(), rate_per_second=0.5)
    assert answer.json()["redriven"] == 4
    views = [await api.view(job) for job in later]
    assert {(view["state"], view["reason"]) for view in views} == {("waiting", "scheduled")}
    waits = sorted(_at(view["wake_at"]) for view in views)
    gaps = [(b - a).total_seconds() for a, b in pairwise(waits)]
    assert all(1.9 <= gap <= 2.1 for gap in gaps), gaps


async def test_a_single_redrive_is_counted_in_the_letter_of_the_job(
    api: Api, hand: Hand, records: Records
) -> None:
    job = await _failed(api, hand)
    old = await _letter(records, job, created_at=datetime.now(UTC) - timedelta(days=1))
    new = await _letter(records, job)
    assert (await api.redrive(job)).status_code == 202
    shown = [(await api.get(f"/dead-letters/{letter}")).json()["redriven"] for letter in (old, new)]
    assert shown == [0, 1]


async def test_letters_are_found_by_the_type_of_their_error_and_their_time(
    api: Api, records: Records
) -> None:
    name, now = f"E-{uuid4()}", datetime.now(UTC).replace(microsecond=0)
    letters = [
        await _letter(
            records, NOBODY, error={"type": name, "message": ""}, created_at=now - timedelta(minutes=n)
        )
        for n in range(3)
    ]
    for query, expected in (
        ({}, letters),
        ({"before": now.isoformat()}, letters[1:]),
        ({"after": (now - timedelta(minutes=1)).isoformat(), "kind": "rejected"}, letters[:2]),
    ):
        page = (await api.get("/dead-letters", params={"error_type": name, **query})).json()
        assert [letter["id"] for letter in page["dead_letters"]] == expected


async def test_a_task_is_paused_and_resumed_by_hand(api: Api, records: Records) -> None:
    paused = await api.pause("noop", reason="$$ROOT is on fire")
    assert paused["paused"] is True
    assert (paused["pause"]["by"], paused["pause"]["reason"]) == ("person", "$$ROOT is on fire")
    again = await api.pause("noop")
    assert again["pause"] == {"at": paused["pause"]["at"], "by": "person", "reason": None}
    assert (await api.get("/tasks/noop")).json() == again
    listed = {task["name"]: task["paused"] for task in (await api.get("/tasks")).json()["tasks"]}
    assert listed == {"any": False, "image.search": False, "image.used": False, "noop": True}

    async def in_figures() -> bool:
        return bool((await api.get("/stats")).json()["pauses"] == {"noop": again["pause"]})

    await until(in_figures, within=10, what="the figures to name the paused task")
    assert (await api.post({"task": "noop"})).status_code == 202
    resumed = await api.resume("noop")
    assert (resumed["paused"], resumed["pause"]) == (False, None)
    assert (await api.resume("noop"))["paused"] is False
    assert "paused" not in (await records.database["tasks"].find_one({"_id": "noop"}) or {})


async def test_a_person_takes_over_what_the_brake_has_paused(api: Api, records: Records) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    brake = {"at": at, "by": "brake", "reason": "20 failures alike", "error_type": "Boom", "probe_at": at}
    await records.database["tasks"].update_one({"_id": "any"}, {"$set": {"paused": brake}})

    async def shown() -> dict[str, Any]:
        task: dict[str, Any] = (await api.get("/tasks/any")).json()
        assert task["paused"]
        return task

    task = await until(shown, within=5, what="the pause to be shown")
    assert (task["pause"]["by"], task["pause"]["reason"]) == ("brake", "20 failures alike")
    taken = await api.pause("any", reason="mine")
    assert (taken["pause"]["by"], taken["pause"]["reason"]) == ("person", "mine")
    stored = await records.database["tasks"].find_one({"_id": "any"})
    assert stored is not None
    assert set(stored["paused"]) == {"at", "by", "reason"}
    assert not (await api.resume("any"))["paused"]


@pytest.mark.parametrize(
    ("body", "pointer"), [({"reason": ""}, "/reason"), ({"reason": 5}, "/reason"), ({"why": "x"}, "/why")]
)
async def test_a_pause_says_why_or_nothing_else(api: Api, body: dict[str, Any], pointer: str) -> None:
    assert _pointers(await api.call("POST", "/tasks/noop/pause", json=body)) == [pointer]
    for verb in ("pause", "resume"):
        assert _slug(await api.call("POST", f"/tasks/nope/{verb}")) == "not-found"


async def test_the_log_of_a_job_is_what_its_task_has_told(api: Api, hand: Hand, records: Records) -> None:
    job = await api.submit()
    assert await api.logs(job) == []
    await hand.claim(job)
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    lines = [{"at": at, "attempt": 1, "level": "info", "message": f"$line {n}"} for n in range(2)]
    move = append_logs(job, 2, lines)
    await records.database["jobs"].update_one(move.filter, move.update)
    assert await api.logs(job) == [
        {"at": "2026-11-24T12:00:00Z", "attempt": 1, "level": "info", "message": f"$line {n}"} for n in (0, 1)
    ]
    assert (await api.get(f"/jobs/{NOBODY}/logs")).status_code == 404


async def test_a_letter_outlives_its_job(api: Api, hand: Hand, records: Records) -> None:
    job = await _failed(api, hand)
    letter = await _letter(records, job)
    assert (await api.call("DELETE", f"/jobs/{job}")).status_code == 204
    assert (await api.get(f"/dead-letters/{letter}")).json()["job"] == job

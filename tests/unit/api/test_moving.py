"""What people may do to a job in which state."""

from datetime import timedelta
from typing import Any

import pytest

from api.moving import Moving
from api.problems import Problem
from tests.unit.api.fakes import NOW, FakeAnnouncer, ScriptedMoves, record

JOB = record()["_id"]


def _moving(store: ScriptedMoves) -> tuple[Moving, FakeAnnouncer]:
    announcer = FakeAnnouncer()
    moving = Moving(
        store=store,
        letters=store,
        announcer=announcer,
        now=lambda: NOW,
        cancelled_kept=timedelta(days=1),
        redrives=3,
    )
    return moving, announcer


async def _slug(call: Any) -> str:
    with pytest.raises(Problem) as caught:
        await call
    return caught.value.kind.slug


async def test_a_cancel_follows_a_job_that_slips_from_waiting_into_running() -> None:
    asked = record(state="running", cancel_requested=True)
    store = ScriptedMoves(None, None, None, asked, current=record(state="pending"))
    moving, announcer = _moving(store)
    assert b'"cancel_requested":true' in await moving.cancel(JOB, owner="default")
    assert len(store.moves) == 4
    assert announcer.told == [asked]


async def test_an_ended_job_cannot_be_cancelled() -> None:
    moving, announcer = _moving(ScriptedMoves(current=record(state="succeeded")))
    assert await _slug(moving.cancel(JOB, owner="default")) == "job-already-final"
    assert not announcer.told


async def test_what_is_not_there_cannot_be_moved() -> None:
    moving, _ = _moving(ScriptedMoves())
    assert await _slug(moving.cancel(JOB, owner="default")) == "not-found"
    assert await _slug(moving.redrive(JOB, owner="default")) == "not-found"
    assert await _slug(moving.remove(JOB, owner="default")) == "not-found"


async def test_a_redriven_job_is_announced_as_it_is_stored() -> None:
    again = record(version=5, redrives=1)
    store = ScriptedMoves(again)
    moving, announcer = _moving(store)
    assert b'"redrives":1' in await moving.redrive(JOB, owner="default")
    assert (announcer.told, store.letters) == ([again], [JOB])


async def test_a_job_whose_unique_key_is_taken_cannot_be_redriven() -> None:
    store = ScriptedMoves()
    store.key_held = True
    moving, announcer = _moving(store)
    assert await _slug(moving.redrive(JOB, owner="default")) == "unique-key-held"
    assert (announcer.told, store.letters) == ([], [])


async def test_only_a_waiting_job_is_rescheduled() -> None:
    later = record(state="waiting", reason="scheduled", version=3, wake_at=NOW + timedelta(hours=1))
    moving, announcer = _moving(ScriptedMoves(later, current=record(state="waiting")))
    assert b'"version":3' in await moving.reschedule(JOB, owner="default", run_at=NOW + timedelta(hours=1))
    assert announcer.told == [later]
    for state in ("pending", "running", "succeeded", "failed", "cancelled"):
        moving, announcer = _moving(ScriptedMoves(current=record(state=state)))
        assert await _slug(moving.reschedule(JOB, owner="default", low=True)) == "job-not-waiting"
        assert not announcer.told
    assert await _slug(_moving(ScriptedMoves())[0].reschedule(JOB, owner="default", low=True)) == "not-found"


@pytest.mark.parametrize("ahead", [timedelta(days=367), timedelta(days=-367), timedelta(hours=1)])
async def test_a_time_that_does_not_suit_the_job_is_refused(ahead: timedelta) -> None:
    current = record(state="waiting", reason="scheduled", expire_by=NOW + timedelta(hours=1))
    store = ScriptedMoves(record(), current=current)
    with pytest.raises(Problem) as caught:
        await _moving(store)[0].reschedule(JOB, owner="default", run_at=NOW + ahead)
    assert [error.pointer for error in caught.value.errors] == ["/run_at"]
    assert not store.moves


async def test_only_failed_jobs_can_be_redriven() -> None:
    moving, _ = _moving(ScriptedMoves(current=record(state="running")))
    assert await _slug(moving.redrive(JOB, owner="default")) == "job-not-failed"


async def test_the_fourth_redrive_needs_force() -> None:
    store = ScriptedMoves(None, current=record(state="failed", redrives=3))
    moving, _ = _moving(store)
    assert await _slug(moving.redrive(JOB, owner="default")) == "redrive-limit"
    assert store.moves[0].filter["redrives"] == {"$lt": 3}
    store.answers = [record(redrives=4)]
    assert await moving.redrive(JOB, owner="default", force=True)
    assert "redrives" not in store.moves[1].filter


async def test_a_living_job_cannot_be_removed() -> None:
    moving, _ = _moving(ScriptedMoves(current=record(state="waiting")))
    assert await _slug(moving.remove(JOB, owner="default")) == "job-not-final"

"""What every guarded move does to a record, in memory and in MongoDB alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from job_contracts import keeping, personal, record
from job_contracts.lifecycle import FINAL, LIVE, MOVES, ErrorKind, JobState
from job_contracts.messages import ErrorInfo
from tests.contract.builders import job_record
from tests.contract.keepers import Keeper
from tests.contract.moves import ERROR, FENCED, KEEPING, PERSONAL, WAKE, WEEK

real = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
foreign = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["$$ROOT", "$a", "$state", "$$NOW", "$$REMOVE", "$literal", "{'$add': 1}", "a\x00b"]
)
CASES = [(name, source) for name, move in MOVES.items() for source in sorted(move.sources)]


def leaving(name: str, source: JobState, **fields: object) -> dict[str, object]:
    extra: dict[str, object] = {"cancel_requested": True} if name == "stop" else {}
    if name == "fail_expired":
        extra["expire_by"] = WAKE
    return job_record(source, 7, **extra, **fields)


@pytest.mark.parametrize(("name", "source"), CASES)
async def test_a_move_leads_to_its_target_at_the_next_version(
    keeper: Keeper, name: str, source: JobState
) -> None:
    for builder in (FENCED, PERSONAL):
        for n in range(len(builder[name]("-", 7)) if name in builder else 0):
            job = leaving(name, source)
            await keeper.put(job)

            assert await keeper.apply(builder[name](str(job["_id"]), 7)[n]) == 1

            after = await keeper.job(str(job["_id"]))
            assert (after["state"], after["version"], after["revision"]) == (MOVES[name].target, 8, 0)
            assert after["updated_at"] > job["updated_at"]


@pytest.mark.parametrize(("name", "source"), CASES)
async def test_a_live_job_is_looked_at_again_and_a_final_one_expires(
    keeper: Keeper, name: str, source: JobState
) -> None:
    job = leaving(name, source)
    await keeper.put(job)
    await keeper.apply(({**FENCED, **PERSONAL})[name](str(job["_id"]), 7)[0])

    after = await keeper.job(str(job["_id"]))

    assert ("wake_at" in after) == (after["state"] in LIVE)
    assert ("expire_at" in after) == (after["state"] in FINAL)
    assert ("finished_at" in after) == (after["state"] in FINAL)
    assert ("worker" in after) == (after["state"] == JobState.RUNNING)


OF_ANY_STATE = {"publishes": 3, "reason": "retry", "worker": "w-1", "claim": "c-1"}


@pytest.mark.parametrize(("name", "source"), CASES)
async def test_a_move_leaves_no_field_behind_that_its_target_does_not_have(
    keeper: Keeper, name: str, source: JobState
) -> None:
    assert set(OF_ANY_STATE) == set(record.OF_STATE)
    builders = ({**FENCED, **PERSONAL})[name]("-", 7)
    for n in range(len(builders)):
        its_own = {field: OF_ANY_STATE[field] for field in OF_ANY_STATE if source in record.OF_STATE[field]}
        job = leaving(name, source, **its_own)
        await keeper.put(job)
        await keeper.apply(({**FENCED, **PERSONAL})[name](str(job["_id"]), 7)[n])

        after = await keeper.job(str(job["_id"]))

        left = {f for f, states in record.OF_STATE.items() if f in after and after["state"] not in states}
        assert not left


@pytest.mark.parametrize("name", FENCED)
@pytest.mark.parametrize("state", JobState)
async def test_a_late_or_illegal_move_changes_nothing(keeper: Keeper, name: str, state: JobState) -> None:
    versions = [6, 8] if state in MOVES[name].sources else [6, 7, 8]
    job = job_record(state, 7, cancel_requested=name == "stop")
    await keeper.put(job)
    before = await keeper.job(job["_id"])
    for version in versions:
        for move in FENCED[name](job["_id"], version):
            assert await keeper.apply(move) == 0
    assert await keeper.job(job["_id"]) == before


@pytest.mark.parametrize("name", FENCED)
async def test_a_move_is_made_once_however_often_it_is_asked_for(keeper: Keeper, name: str) -> None:
    job = leaving(name, min(MOVES[name].sources))
    await keeper.put(job)
    move = FENCED[name](str(job["_id"]), 7)[0]
    assert [await keeper.apply(move) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize("name", PERSONAL)
async def test_nobody_moves_the_job_of_another_owner(keeper: Keeper, name: str) -> None:
    job = leaving(name, min(MOVES[name].sources), owner="somebody else")
    await keeper.put(job)
    assert await keeper.apply(PERSONAL[name](str(job["_id"]), 7)[0]) == 0


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("state", LIVE)
async def test_an_update_that_is_no_move_keeps_state_and_version(
    keeper: Keeper, name: str, state: JobState
) -> None:
    job = job_record(state, 7, wake_at=WAKE)
    if name == "expire":
        job["expire_by"] = WAKE
    if name == "take_over":
        job.pop("worker", None)
    await keeper.put(job)
    changed = [await keeper.apply(move) for move in KEEPING[name](job["_id"], 7)]
    after = await keeper.job(job["_id"])
    assert (after["state"], after["version"]) == (state, 7)
    assert changed == [int(state in _TOUCHES.get(name, {JobState.RUNNING}))]


_TOUCHES = {
    "set_aside": set(LIVE),
    "far_out": {JobState.PENDING},
    "republish": {JobState.PENDING},
    "hand_over": {JobState.PENDING},
    "keep_pending": {JobState.PENDING},
    "expire": {JobState.PENDING, JobState.WAITING},
}


async def test_a_job_does_not_expire_before_its_time_nor_once_its_time_was_changed(keeper: Keeper) -> None:
    job = job_record(JobState.PENDING, 7, wake_at=WAKE, expire_by=datetime.now(UTC) + timedelta(hours=1))
    await keeper.put(job)
    assert await keeper.apply(keeping.expire(job["_id"], 7, wake_at=WAKE)) == 0
    late = job_record(JobState.PENDING, 7, wake_at=WAKE, expire_by=WAKE)
    await keeper.put(late)
    assert await keeper.apply(keeping.expire(late["_id"], 7, wake_at=WAKE + timedelta(seconds=1))) == 0


@pytest.mark.parametrize(
    ("reason", "change", "expected"),
    [
        ("scheduled", {"run_at": WAKE}, ("scheduled", True)),
        ("retry", {"run_at": WAKE}, ("retry", True)),
        ("paused", {"run_at": WAKE}, ("scheduled", True)),
        ("low_priority", {"run_at": WAKE, "low": True}, ("scheduled", True)),
        ("low_priority", {"low": False}, ("scheduled", False)),
        ("retry", {"low": False}, ("retry", False)),
        ("scheduled", {"low": True}, ("scheduled", False)),
    ],
)
async def test_a_waiting_job_is_rescheduled(
    keeper: Keeper, reason: str, change: dict[str, Any], expected: tuple[str, bool]
) -> None:
    job = job_record(JobState.WAITING, 7, reason=reason, priority="low")
    await keeper.put(job)
    assert await keeper.apply(personal.reschedule(job["_id"], owner="default", **change)) == 1
    after = await keeper.job(job["_id"])
    assert (after["reason"], after["wake_at"] == WAKE) == expected
    assert after.get("priority") == (None if change.get("low") is False else "low")
    assert after["version"] == 8


async def test_the_log_of_a_job_keeps_its_last_lines(keeper: Keeper) -> None:
    job = job_record()
    await keeper.put(job)
    for first in range(0, 150, 50):
        lines = [
            {"at": WAKE, "attempt": 1, "level": "info", "message": f"$line {n}"}
            for n in range(first, first + 50)
        ]
        assert await keeper.apply(keeping.append_logs(job["_id"], 2, lines)) == 1
        assert await keeper.apply(keeping.append_logs(job["_id"], 2, lines)) == 0, "a repeat adds nothing"
    kept = (await keeper.job(job["_id"]))["logs"]
    assert [line["message"] for line in kept] == [f"$line {n}" for n in range(50, 150)]


@real
@given(kind=foreign, message=foreign)
async def test_foreign_text_in_an_error_stays_literal(keeper: Keeper, kind: str, message: str) -> None:
    job = job_record(expire_by=WAKE)
    await keeper.put(job)
    error = ErrorInfo(type=kind, message=message)

    await keeper.apply(record.retry(job["_id"], 2, wait=WEEK, error=error))
    waiting = await keeper.job(job["_id"])
    await keeper.apply(record.fail_expired([job["_id"]], 3, error=error, retention=WEEK, token="t"))
    failed = await keeper.job(job["_id"])

    assert waiting["error"] == waiting["attempts"][0]["error"] == {"type": kind, "message": message}
    assert failed["error"] == {"type": kind, "message": message, "kind": "expired"}


@real
@given(text=foreign)
async def test_foreign_text_in_a_payload_or_a_name_stays_literal(keeper: Keeper, text: str) -> None:
    job = job_record(JobState.FAILED, 4)
    await keeper.put(job)

    await keeper.apply(personal.redrive([job["_id"]], owner="default", limit=3, payload=text))
    await keeper.apply(record.claim([job["_id"]], 5, worker=text, token=text))
    await keeper.apply(keeping.progress(job["_id"], 6, percent=1, message=text))

    after = await keeper.job(job["_id"])
    assert (after["payload"], after["worker"], after["claim"], after["progress"]["message"]) == (text,) * 4


async def test_the_history_of_attempts_keeps_the_last_hundred(keeper: Keeper) -> None:
    old = [{"attempt": n} for n in range(record.ATTEMPTS_KEPT)]
    job = job_record(attempts=old, failures=100)
    await keeper.put(job)
    await keeper.apply(record.retry(job["_id"], 2, wait=WEEK, error=ERROR))
    attempts = (await keeper.job(job["_id"]))["attempts"]
    assert len(attempts) == record.ATTEMPTS_KEPT
    assert (attempts[0]["attempt"], attempts[-1]["attempt"]) == (1, 101)


async def test_a_stopping_job_is_neither_retried_nor_given_back(keeper: Keeper) -> None:
    job = job_record(cancel_requested=True)
    await keeper.put(job)
    for name in ("retry", "postpone", "give_back"):
        assert await keeper.apply(FENCED[name](job["_id"], 2)[0]) == 0
    assert await keeper.apply(FENCED["stop"](job["_id"], 2)[0]) == 1


async def test_a_result_that_comes_first_wins_over_a_wish_to_cancel(keeper: Keeper) -> None:
    job = job_record(cancel_requested=True)
    await keeper.put(job)
    assert await keeper.apply(FENCED["succeed"](job["_id"], 2)[0]) == 1


async def test_a_claim_notes_for_how_long_the_job_was_pending(keeper: Keeper) -> None:
    now = datetime.now(UTC)
    old = job_record(JobState.PENDING, updated_at=now - timedelta(seconds=90))
    ahead = job_record(JobState.PENDING, updated_at=now + timedelta(seconds=90))
    await keeper.put(old, ahead)
    await keeper.apply(record.claim([old["_id"], ahead["_id"]], 2, worker="w", token="t"))
    assert 90_000 <= (await keeper.job(old["_id"]))["waited"] < 120_000
    assert (await keeper.job(ahead["_id"]))["waited"] == 0


async def test_an_expired_job_fails_without_an_attempt_it_never_had(keeper: Keeper) -> None:
    job = job_record(JobState.PENDING, expire_by=WAKE)
    await keeper.put(job)
    await keeper.apply(record.fail_expired([job["_id"]], 2, error=ERROR, retention=WEEK, token="t"))
    after = await keeper.job(job["_id"])
    assert (after["failures"], "attempts" in after) == (0, False)


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.WAITING])
async def test_a_job_that_waits_fails_only_by_an_expiry_whose_time_has_come(
    keeper: Keeper, state: JobState
) -> None:
    never = job_record(state)
    ahead = job_record(state, expire_by=datetime.now(UTC) + timedelta(minutes=1))
    passed = job_record(state, expire_by=WAKE)
    await keeper.put(never, ahead, passed)
    ids = [job["_id"] for job in (never, ahead, passed)]
    for kind in ErrorKind:
        assert not await keeper.apply(record.fail(ids, 2, kind=kind, error=ERROR, retention=WEEK, token="t"))
    expiry = record.fail_expired(ids, 2, error=ERROR, retention=WEEK, token="t")
    assert await keeper.apply(expiry) == 1
    assert [(await keeper.job(i))["state"] for i in ids] == [state, state, JobState.FAILED]


async def test_the_attempt_of_a_worker_that_was_taken_over_is_closed_without_its_name(keeper: Keeper) -> None:
    job = job_record()
    del job["worker"]
    await keeper.put(job)
    await keeper.apply(
        record.fail([job["_id"]], 2, kind=ErrorKind.STALLED, error=ERROR, retention=WEEK, token="t")
    )
    (attempt,) = (await keeper.job(job["_id"]))["attempts"]
    assert (attempt["attempt"], attempt["outcome"], "worker" in attempt) == (1, "stalled", False)


async def test_a_group_moves_those_that_still_stand_and_leaves_the_others(keeper: Keeper) -> None:
    running, cancelled, newer = job_record(), job_record(JobState.CANCELLED), job_record(version=4)
    await keeper.put(running, cancelled, newer)
    ids = [running["_id"], cancelled["_id"], newer["_id"]]
    assert await keeper.apply(record.succeed(ids, 2, retention=WEEK, token="t")) == 1
    assert [(await keeper.job(i))["version"] for i in ids] == [3, 2, 4]

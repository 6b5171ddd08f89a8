"""Whoever moves a job, whatever he believes of it and whoever else does so at that moment: the lifecycle holds."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from job_contracts import keeping
from job_contracts.lifecycle import FINAL, LIVE, MOVES, JobState
from job_contracts.record import GuardedMove
from tests.contract.builders import job_record
from tests.contract.keepers import Keeper
from tests.contract.moves import FENCED, KEEPING, PERSONAL, WAKE

ALL = {**FENCED, **PERSONAL, **KEEPING}
_WAITING = {JobState.PENDING, JobState.WAITING}


class Try(NamedTuple):
    """Somebody means to make an update, knowing something of the job."""

    name: str
    variant: int
    behind: int
    """How many versions old what he knows is."""
    sees_wake_at: bool

    def build(self, job: Mapping[str, Any]) -> GuardedMove:
        """Return the update as its author would build it."""
        job_id, version = job["_id"], job["version"] - self.behind
        wake_at = job.get("wake_at", WAKE) if self.sees_wake_at else WAKE
        match self.name:
            case "far_out":
                return keeping.far_out([job_id], version, wake_at=wake_at)
            case "expire":
                return keeping.expire(job_id, version, wake_at=wake_at)
            case "take_over":
                return keeping.take_over(job_id, version, worker=job.get("worker"), wake_at=wake_at)
        variants = ALL[self.name](job_id, version)
        return variants[self.variant % len(variants)]


tries = st.builds(
    Try,
    name=st.sampled_from(sorted(ALL)),
    variant=st.integers(0, 3),
    behind=st.sampled_from([0, 0, 0, 1, 2]),
    sees_wake_at=st.booleans(),
)
turns = st.lists(st.tuples(st.integers(0, 1), tries, tries), min_size=1, max_size=25)
begins = st.tuples(
    st.sampled_from(sorted(JobState)), st.sampled_from([None, timedelta(hours=1), timedelta(hours=-1)])
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.tuples(begins, begins), then=turns)
async def test_however_two_act_at_once_at_most_one_wins_and_the_record_stays_whole(
    keeper: Keeper, first: Sequence[tuple[JobState, timedelta | None]], then: Sequence[tuple[int, Try, Try]]
) -> None:
    jobs = [_job(state, expires) for state, expires in first]
    await keeper.put(*jobs)
    ids = [str(job["_id"]) for job in jobs]
    for which, *both in then:
        before = dict(await keeper.job(ids[which]))
        other = dict(await keeper.job(ids[1 - which]))
        made = await asyncio.gather(*(keeper.apply(act.build(before)) for act in both))
        after = await keeper.job(ids[which])
        _moved_as_it_may(before, after, [act for act, count in zip(both, made, strict=True) if count])
        _is_whole(after)
        assert await keeper.job(ids[1 - which]) == other, "the other job is left alone"


def _job(state: JobState, expires: timedelta | None) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    job = job_record(state, 5)
    if state in FINAL:
        job |= {"expire_at": now + timedelta(days=7), "finished_at": now}
    if state == JobState.WAITING:
        job["reason"] = "scheduled"
    if expires is not None:
        job["expire_by"] = now + expires
    if state in _WAITING and expires is not None:
        job["wake_at"] = min(job["wake_at"], job["expire_by"])
    return job


def _moved_as_it_may(before: Mapping[str, Any], after: Mapping[str, Any], won: Sequence[Try]) -> None:
    moves = [act for act in won if act.name in MOVES]
    fenced = [act for act in moves if act.name in FENCED]
    assert len(fenced) <= 1, f"{[act.name for act in fenced]} won at version {before['version']}"
    assert after["version"] == before["version"] + len(moves)
    assert not any(act.behind for act in won if act.name not in PERSONAL and act.name != "request_cancel")
    states = {JobState(before["state"])}
    if not moves:
        assert after["state"] in states
    for act in moves if _leads_on(states, moves) else reversed(moves):
        assert states & MOVES[act.name].sources, f"{act.name} from {states}"
        states = {MOVES[act.name].target}
    assert JobState(after["state"]) in states


def _leads_on(states: set[JobState], moves: Sequence[Try]) -> bool:
    """Whether the moves can have been made in this order."""
    for act in moves:
        if not states & MOVES[act.name].sources:
            return False
        states = {MOVES[act.name].target}
    return True


def _is_whole(job: Mapping[str, Any]) -> None:
    state = JobState(job["state"])
    assert (state in LIVE) == (job.get("wake_at") is not None)
    assert ("wake_at" in job) == (state in LIVE)
    assert (state in FINAL) == ("expire_at" in job)
    assert not (state in FINAL and {"worker", "claim"} & job.keys())
    assert state == JobState.RUNNING or "worker" not in job
    assert not (state in _WAITING and job.get("cancel_requested"))
    assert ("reason" in job) == (state == JobState.WAITING)
    if state in _WAITING and (expire_by := job.get("expire_by")) and expire_by > datetime.now(UTC):
        assert job["wake_at"] <= expire_by
    assert not [name for name, value in job.items() if value is None], "absent, never null"

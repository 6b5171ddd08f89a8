"""The api, the people behind it, and the brake that acts like one."""

from job_contracts.lifecycle import JobState, Role, WaitReason
from tests.model.state import EMPTY, Intent, Job, State
from tests.model.turn import Turn

BY = Role.API


def steps(turn: Turn) -> None:
    """Add what api replicas and people may do."""
    _behind_the_answer(turn)
    if turn.state.job is not None:
        _move(turn)
    _pause(turn)


def _behind_the_answer(turn: Turn) -> None:
    state, job = turn.state, turn.state.job
    for intent in state.api:
        rest = state.api - {intent}
        if intent.what == "publish":
            sent = state._replace(jobs=turn.with_message(intent.version))
            acknowledged = rest | {intent._replace(what="far out")}
            turn.go("api: publishes", sent._replace(api=acknowledged))
            turn.go("api: publishes, crashes before the answer", sent._replace(api=EMPTY), cost="crash")
            turn.go("api: cannot publish", state._replace(api=rest), cost="away")
        else:
            fresh = job is not None and intent.stamp == job.stamp
            after = turn.after("far_out", BY, version=intent.version, fresh=fresh)
            done = state._replace(api=rest)
            turn.go("api: sets wake_at far out", turn.moved(after, done) if after else done)
    if state.api:
        turn.go("api: crashes, its buffer is lost", state._replace(api=EMPTY), cost="crash")


def _move(turn: Turn) -> None:
    budget, job = turn.state.budget, turn.state.job
    assert job is not None
    if budget.cancel:
        for name in ("cancel", "request_cancel"):
            _person(turn, name, "cancel")
    if budget.redrive:
        for name in ("redrive", "redrive_later"):
            _person(turn, name, "redrive")
    if budget.reschedule:
        for name in ("reschedule to a moment", "reschedule as low", "reschedule as normal"):
            _person(turn, name, "reschedule")
    if turn.may("delete") and (not turn.live or "what lives cannot be deleted" not in turn.rules):
        turn.go("person: deletes the job", turn.state._replace(job=None, unflushed=None), cost="delete")
    if job.ttl and turn.may("remove"):
        turn.go("ttl: the job expires", turn.state._replace(job=None, unflushed=None), cost="remove")


def _person(turn: Turn, name: str, cost: str) -> None:
    job = turn.after(name, BY)
    if job is None:
        return
    state = turn.moved(job)
    if job.state == JobState.PENDING:
        state = state._replace(api=state.api | {Intent("publish", job.version, job.stamp)})
    turn.go(f"person: {name}", state, cost=cost)


def _pause(turn: Turn) -> None:
    state = turn.state
    if not state.paused and (turn.may("pause") or turn.may("brake")):
        turn.go("person: pauses the task", state._replace(paused="person"), cost="pause")
        turn.go("the brake pauses the task", state._replace(paused="brake"), cost="brake")
    if state.paused != "person":
        return
    resumed = state._replace(paused="")
    turn.go("person: resumes the task", resumed)


def submitted(kind: str) -> tuple[Job, frozenset[Intent]]:
    """Return the record as the api inserts it, and what it means to do behind the answer."""
    match kind:
        case "scheduled":
            return Job(str(JobState.WAITING), str(WaitReason.SCHEDULED)), EMPTY
        case "scheduled low":
            return Job(str(JobState.WAITING), str(WaitReason.SCHEDULED), low=True), EMPTY
        case "low":
            return Job(str(JobState.WAITING), str(WaitReason.LOW_PRIORITY), wake="far", low=True), EMPTY
        case _:
            job = Job(str(JobState.PENDING))
            return job, frozenset({Intent("publish", job.version, job.stamp)})


def begins(state: State, kind: str, *, expires: bool) -> State:
    """Return the state with a job that was just accepted."""
    job, api = submitted(kind)
    return state._replace(job=job._replace(expiry="ahead" if expires else ""), api=api)

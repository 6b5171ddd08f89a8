"""What a dispatcher does: look, take, read, publish, set far out; and judge what the dead left."""

from job_contracts.lifecycle import JobState, Role, WaitReason
from tests.model.state import NOBODY, Dispatcher, Job, Outcome
from tests.model.truth import MAX_ATTEMPTS, expect
from tests.model.turn import Turn, is_lapsed

BY = Role.DISPATCHER
IDLE = Dispatcher()
_UNSTARTED = {JobState.PENDING, JobState.WAITING}


def steps(turn: Turn) -> None:
    """Add the arrows of every dispatcher."""
    for index, dispatcher in enumerate(turn.state.dispatchers):
        if dispatcher.at:
            if turn.may("crash"):
                turn.go(f"d{index}: crashes in {dispatcher.at}", turn.dispatcher(index, IDLE), cost="crash")
            _STEPS[dispatcher.at](turn, index, dispatcher)
        elif turn.live:
            _look(turn, index)


def _look(turn: Turn, index: int) -> None:
    job = turn.state.job
    assert job is not None
    if job.state == JobState.RUNNING:
        _look_at_running(turn, index, job)
        return
    kinds = []
    if job.wake == "due":
        kinds.append(_kind_of_due(turn, job))
    if job.state == JobState.WAITING:
        kinds += _turns(turn, job)
    for kind in dict.fromkeys(kinds):
        if f"dispatchers {kind}" in turn.rules:
            sought = Dispatcher(
                "found", kind.split()[0], job.version, job.stamp, probe=kind.endswith("probe")
            )
            turn.go(f"d{index}: finds a job to {kind}", turn.dispatcher(index, sought))


def _kind_of_due(turn: Turn, job: Job) -> str:
    if job.expiry == "passed":
        return "expire"
    if job.state == JobState.PENDING:
        return "republish" if turn.state.served else "await_worker"
    if turn.state.paused:
        return "park"
    if not turn.state.served:
        return "await_worker"
    return "defer" if job.low and job.reason == WaitReason.SCHEDULED else "release"


def _turns(turn: Turn, job: Job) -> list[str]:
    """Kinds of work that are found by the reason of waiting, whatever the time."""
    if job.reason == WaitReason.PAUSED and not turn.state.paused:
        return ["release resumed"]
    if job.reason == WaitReason.PAUSED and turn.state.paused == "brake":
        return ["release as probe"]
    if job.reason == WaitReason.NO_WORKER and turn.state.served:
        return ["defer served" if job.low else "release served"]
    return ["release low"] if job.reason == WaitReason.LOW_PRIORITY else []


def _look_at_running(turn: Turn, index: int, job: Job) -> None:
    state = turn.state
    judged = state.contact or "the dead are judged late" not in turn.rules
    lapsed = judged and is_lapsed(state, job, turn.rules)
    if not lapsed and job.wake != "due":
        return
    topics = {("results", o) for o in state.results} | {("letters", o) for o in state.letters}
    waits = frozenset(item for item in topics if item[1].version == job.version)
    if "outcomes are applied first" not in turn.rules:
        waits = frozenset()
    behind = Dispatcher("barrier", version=job.version, stamp=job.stamp, waits_for=waits)
    why = "whose worker is gone" if lapsed else "that is overdue"
    turn.go(f"d{index}: finds a job {why}", turn.dispatcher(index, behind))


def _barrier(turn: Turn, index: int, d: Dispatcher) -> None:
    state, job = turn.state, turn.state.job
    assert job is not None
    left = {("results", o) for o in state.results} | {("letters", o) for o in state.letters}
    if d.waits_for & left:
        held = turn.after("hold_outcome", BY, version=d.version) if turn.may("away") else None
        if held and held.wake != job.wake:
            # It comes again later; what it waits for is remembered.
            turn.go(f"d{index}: cannot judge yet, looks later", turn.moved(held), cost="away")
        return
    if not (is_lapsed(state, job, turn.rules) or job.wake == "due"):
        turn.go(f"d{index}: finds nothing to judge any more", turn.dispatcher(index, IDLE))
        return
    kind = "stop" if job.cancel else "retry" if job.failures + 1 < MAX_ATTEMPTS else "take over"
    judging = Dispatcher("judge", kind, job.version, job.stamp, named=job.worker != NOBODY)
    turn.go(f"d{index}: sees that outcomes are applied, means to {kind}", turn.dispatcher(index, judging))


def _judge(turn: Turn, index: int, d: Dispatcher) -> None:
    job = turn.state.job
    version, fresh = d.version, job is not None and d.stamp == job.stamp
    if d.kind == "take over":
        who = None if not d.named else job.worker if job and job.worker != NOBODY else "somebody"
        after = turn.after("take_over", BY, version=version, who=who, fresh=fresh)
        if "a stalled job is taken over" not in turn.rules:
            after = job
    else:
        after = turn.after(d.kind, BY, version=version)
    if after is None or job is None:
        turn.go(f"d{index}: {d.kind} matches nothing", turn.dispatcher(index, IDLE))
        return
    _judged_late_enough(turn, job, d.kind)
    letter = Dispatcher("letter", version=version, stamp=after.stamp) if d.kind == "take over" else IDLE
    turn.go(f"d{index}: stalled, {d.kind}", turn.moved(after, turn.dispatcher(index, letter)))


def _judged_late_enough(turn: Turn, job: Job, kind: str) -> None:
    state = turn.state
    if kind == "stop":
        return
    published = (o for o in (*state.results, *state.letters) if o.version == job.version and not o.judged)
    expect(not any(o.timely for o in published), "judged, though the outcome was acknowledged in time")
    if "outage" in turn.options:
        lives = [w for w in state.workers if w.version == job.version and w.at in {"run", "dropped", "out"}]
        expect(not lives, "an outage of MongoDB burns the attempt of a worker that lives")
    sent = any(o.version == job.version and o.judged for o in state.letters)
    expect(kind != "take over" or not sent or job.wake == "due", "two judge: the letter goes out twice")


def _found(turn: Turn, index: int, d: Dispatcher) -> None:
    job = turn.state.job
    fresh = job is not None and d.stamp == job.stamp
    after = turn.after(d.kind, BY, version=d.version, fresh=fresh)
    looks = turn.dispatcher(index, d._replace(at="read"))
    label = f"d{index}: {d.kind}" + ("" if after else " matches nothing")
    turn.go(label, turn.moved(after, looks) if after else looks)


def _read(turn: Turn, index: int, d: Dispatcher) -> None:
    job, n = turn.state.job, f"d{index}"
    version = d.version + (d.kind not in {"republish", "expire"})
    if "events are built from what is stored" not in turn.rules and d.kind == "release":
        true = (
            job is not None and job.version >= version and (job.version > version or job.state == "pending")
        )
        expect(true, "an event told of a state that never was")
    as_meant = job is not None and job.version == version
    if as_meant and job and d.kind == "expire" and job.state in _UNSTARTED and d.stamp != job.stamp:
        turn.go(f"{n}: reads that it is taken", turn.dispatcher(index, d._replace(at="letter")))
    elif as_meant and job and d.kind in {"release", "republish"} and job.state == JobState.PENDING:
        probe = d.probe and "probes are told apart" in turn.rules
        ready = Dispatcher("publish", d.kind, job.version, job.stamp, probe=probe)
        turn.go(f"{n}: reads that it is pending", turn.dispatcher(index, ready))
    else:
        turn.go(f"{n}: reads that there is nothing to publish", turn.dispatcher(index, IDLE))


def _publish(turn: Turn, index: int, d: Dispatcher) -> None:
    n, jobs = f"d{index}", turn.with_message(d.version, probe=d.probe)
    acked = turn.dispatcher(index, d._replace(at="far"))
    turn.go(f"{n}: publishes", acked._replace(jobs=jobs))
    idle = turn.dispatcher(index, IDLE)
    turn.go(f"{n}: publishes, crashes before the answer", idle._replace(jobs=jobs), cost="crash")
    turn.go(f"{n}: cannot publish", idle, cost="away")


def _far(turn: Turn, index: int, d: Dispatcher) -> None:
    job = turn.state.job
    after = turn.after("far_out", BY, version=d.version, fresh=job is not None and d.stamp == job.stamp)
    idle = turn.dispatcher(index, IDLE)
    turn.go(f"d{index}: sets wake_at far out", turn.moved(after, idle) if after else idle)


def _letter(turn: Turn, index: int, d: Dispatcher) -> None:
    n, idle = f"d{index}", turn.dispatcher(index, IDLE)
    sent = turn.state.letters | {Outcome(d.version, judged=True, expired=d.kind == "expire")}
    turn.go(f"{n}: sends a dead letter", idle._replace(letters=sent))
    turn.go(f"{n}: cannot send a dead letter", idle, cost="away")


_STEPS = {
    "found": _found,
    "read": _read,
    "publish": _publish,
    "far": _far,
    "letter": _letter,
    "barrier": _barrier,
    "judge": _judge,
}

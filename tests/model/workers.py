"""What a job-worker does: poll, claim, commit, run, and hand each end to whoever records it."""

from job_contracts.lifecycle import JobState, Role
from tests.model.state import NO_MESSAGE, Outcome, State, Worker
from tests.model.truth import MAX_ATTEMPTS
from tests.model.turn import Turn

BY = Role.JOB_WORKER


def steps(turn: Turn) -> None:
    """Add the arrows of every worker."""
    for index, worker in enumerate(turn.state.workers):
        _faults(turn, index, worker)
        if worker.hung:
            continue
        _leases(turn, index, worker)
        if worker.owes != NO_MESSAGE and worker.at not in {"polled", "doubt"}:
            _commit(turn, index, worker)
        _STEPS[worker.at](turn, index, worker)


def gone(turn: Turn, index: int, *, lease: str, state: State | None = None) -> State:
    """Return the state without this process; a new one stands in its place, under a new id."""
    state = state or turn.state
    job = state.job
    if job is not None and job.worker == str(index) and "a new id at each start" in turn.rules:
        job = job._replace(worker=lease)
    return turn.worker(index, Worker(), state, job=job)


def _faults(turn: Turn, index: int, worker: Worker) -> None:
    job, n = turn.state.job, f"w{index}"
    names = job is not None and job.worker == str(index)
    lease = worker.lease
    if worker.hung:
        turn.go(f"{n}: its lease thread ends the process that hangs", gone(turn, index, lease=lease))
        return
    if turn.may("crash") and (worker != Worker() or names):
        turn.go(f"{n}: crashes while {worker.at}", gone(turn, index, lease=lease), cost="crash")
    if turn.may("freeze") and worker.at != "idle" and lease == "held":
        frozen = turn.worker(index, worker._replace(lease="ended"))
        turn.go(f"{n}: is frozen past its lease while {worker.at}", frozen, cost="freeze")
    if worker.at == "run" and turn.may("hang"):
        turn.go(f"{n}: its loop hangs", turn.worker(index, worker._replace(hung=True)), cost="hang")
    if worker.at == "run" and turn.may("leave"):
        leaving = worker._replace(at="dropped", leaving=True)
        turn.go(f"{n}: is told to end, ends the task", turn.worker(index, leaving), cost="leave")
    if worker.leaving:
        turn.go(f"{n}: has no more time and exits", gone(turn, index, lease="gone"), fair=False)
    if names and lease == "ended" and turn.may("forget"):
        turn.go(
            f"{n}: its lease document expires",
            turn.worker(index, worker._replace(lease="gone")),
            cost="forget",
        )


def _leases(turn: Turn, index: int, worker: Worker) -> None:
    if worker.lease == "held":
        return
    if "a lapsed lease stays lapsed" not in turn.rules:
        turn.go(f"w{index}: renews its lapsed lease", turn.worker(index, worker._replace(lease="held")))
        return
    state, job = turn.state, turn.state.job
    if job is not None and job.worker == str(index):
        state = state._replace(job=job._replace(worker=worker.lease))
    fresh = worker._replace(lease="held", late=worker.at not in {"idle", "polled"})
    ended = fresh._replace(at="dropped") if worker.at == "run" else fresh
    turn.go(
        f"w{index}: renewal is refused, drops its tasks, takes a new id", turn.worker(index, ended, state)
    )
    if worker.at == "run" and "threads" in turn.options:
        told = turn.worker(index, fresh, state)
        turn.go(f"w{index}: renewal is refused, takes a new id, but a thread goes on", told)


def _commit(turn: Turn, index: int, worker: Worker, *, late: bool = True) -> None:
    s, m = turn.state, worker.owes
    done = turn.worker(
        index,
        worker._replace(owes=NO_MESSAGE) if late else worker,
        jobs=s.jobs - {m},
        jobs_read=s.jobs_read | {m},
    )
    turn.go(f"w{index}: commits its message", done)


def _idle(turn: Turn, index: int, worker: Worker) -> None:
    if worker.owes != NO_MESSAGE:
        return
    paused = bool(turn.state.paused)
    for m in turn.state.jobs:
        read = worker._replace(
            at="polled", version=m.version, probe=m.probe, owes=m, parks=paused and not m.probe
        )
        turn.go(f"w{index}: polls", turn.worker(index, read))
        if "pauses" in turn.options and not m.probe:
            old = read._replace(parks=not read.parks)
            turn.go(f"w{index}: polls, knows an older pause", turn.worker(index, old), fair=False)


def _polled(turn: Turn, index: int, worker: Worker) -> None:
    n, job, idle = f"w{index}", turn.state.job, Worker(lease=worker.lease, owes=worker.owes)
    version = worker.version
    if "claimed, then committed" not in turn.rules and worker.owes in turn.state.jobs:
        _commit(turn, index, worker, late=False)
    if job is not None and job.expiry == "passed" and job.version == version:
        turn.go(f"{n}: leaves the expired job alone", turn.worker(index, idle))
        return
    if worker.parks:
        parked = turn.after("park", BY, version=version)
        turn.go(
            f"{n}: parks",
            turn.moved(parked, turn.worker(index, idle)) if parked else turn.worker(index, idle),
        )
        return
    handed = turn.after("hand_over", BY, version=version)
    if not turn.state.served:
        gone = turn.worker(index, idle)
        turn.go(f"{n}: does not run the task, hands over", turn.moved(handed, gone) if handed else gone)
        return
    if handed and turn.may("full"):
        turn.go(f"{n}: is full and hands over", turn.moved(handed, turn.worker(index, idle)), cost="full")
    kept = turn.after("keep_pending", BY, version=version)
    if kept and turn.may("full"):
        # Its message may be committed and forgotten, or the job is claimed from memory a little later.
        turn.go(f"{n}: has no place and keeps it", turn.moved(kept, turn.worker(index, worker)), cost="full")
        turn.go(f"{n}: has no place and forgets it", turn.moved(kept, turn.worker(index, idle)), cost="full")
    claimed = turn.after("claim", BY, version=version, who=str(index))
    if claimed is None:
        turn.go(f"{n}: claims nothing", turn.worker(index, idle))
        return
    runs = worker._replace(at="run", version=claimed.version, last=claimed.failures + 1 >= MAX_ATTEMPTS)
    got = turn.moved(claimed, turn.worker(index, runs))
    if "claims are journaled" not in turn.rules:
        got = got._replace(unflushed=turn.state.unflushed or job)
    turn.go(f"{n}: claims", got)
    unsure = runs._replace(at="doubt") if "a doubtful claim is resolved" in turn.rules else idle
    if turn.may("doubt"):
        turn.go(f"{n}: claims, the answer is lost", turn.worker(index, unsure, got), cost="doubt")


def _doubt(turn: Turn, index: int, worker: Worker) -> None:
    job = turn.state.job
    if job is None or job.claim != str(index):
        idle = Worker(lease=worker.lease, owes=worker.owes)
        turn.go(f"w{index}: its token has got nothing", turn.worker(index, idle))
    else:
        ours = worker._replace(at="dropped" if worker.late else "run")
        turn.go(f"w{index}: finds its claim by the token", turn.worker(index, ours))


def _run(turn: Turn, index: int, worker: Worker) -> None:
    state, job, n = turn.state, turn.state.job, f"w{index}"
    done = turn.worker(index, worker._replace(at="out", letter=False))
    lifted = worker.probe and state.paused == "brake"
    turn.go(f"{n}: succeeds", done._replace(paused="") if lifted else done)
    if lifted:
        turn.go(f"{n}: succeeds, the brake stays", done, fair=False)
    if worker.late:
        turn.go(f"{n}: its thread ends in an error", turn.worker(index, worker._replace(at="dropped")))
    elif state.paused == "brake" and not worker.probe:
        _leave(turn, index, worker, "postpone", "fails as the brake knows it")
    elif worker.last:
        turn.go(f"{n}: fails for good", turn.worker(index, worker._replace(at="out", letter=True)))
    else:
        _leave(turn, index, worker, "retry", "fails")
    if turn.may("rate"):
        _leave(turn, index, worker, "postpone", "is rate limited", cost="rate")
    if job is not None and job.cancel and job.worker == str(index) and job.version == worker.version:
        _leave(turn, index, worker, "stop", "sees the cancel")
    if "ended, then given back" not in turn.rules:
        _leave(turn, index, worker, "give_back", "gives back what it still runs")


def _dropped(turn: Turn, index: int, worker: Worker) -> None:
    _leave(turn, index, worker, "give_back", "gives back")


def _leave(turn: Turn, index: int, worker: Worker, move: str, why: str, cost: str = "") -> None:
    """Out of running by the first of two moves that matches: the one meant, or the stop somebody asked for."""
    version = worker.version
    job = turn.after(move, BY, version=version) or turn.after("stop", BY, version=version)
    left = worker._replace(at="left", version=job.version if job and job.state == JobState.PENDING else 0)
    then = left if left.version else _rest(worker)
    label = f"w{index}: {why}" + ("" if job else ", which matches nothing")
    turn.go(label, turn.moved(job, turn.worker(index, then)) if job else turn.worker(index, then), cost=cost)


def _rest(worker: Worker) -> Worker:
    if worker.leaving:
        return Worker(at="left", leaving=True, lease=worker.lease, owes=worker.owes)
    return Worker(lease=worker.lease, owes=worker.owes)


def _left(turn: Turn, index: int, worker: Worker) -> None:
    """The move is made; what is pending is published, and a process that was told to end exits."""
    n, state = f"w{index}", turn.state
    idle = turn.worker(index, Worker(lease=worker.lease, owes=worker.owes))
    if worker.leaving:
        idle = gone(turn, index, lease="gone")
    if not worker.version:
        turn.go(f"{n}: exits", idle)
        return
    turn.go(f"{n}: publishes what it gave back", idle._replace(jobs=turn.with_message(worker.version)))
    turn.go(f"{n}: cannot publish what it gave back", idle._replace(jobs=state.jobs), cost="away")


def _out(turn: Turn, index: int, worker: Worker) -> None:
    n, state = f"w{index}", turn.state
    what = "dead letter" if worker.letter else "result"
    outcome = Outcome(worker.version, timely=worker.lease == "held" and not worker.late)
    idle = turn.worker(index, Worker(lease=worker.lease, owes=worker.owes))
    topic = "letters" if worker.letter else "results"
    sent = {topic: getattr(state, topic) | {outcome}}
    turn.go(f"{n}: publishes its {what}", idle._replace(**sent))
    if turn.may("crash"):
        crashed = gone(turn, index, lease=worker.lease)._replace(**sent)
        turn.go(f"{n}: publishes its {what}, crashes before the answer", crashed, cost="crash")
    held = turn.after("hold_outcome", BY, version=worker.version) if turn.may("away") else None
    if held:
        turn.go(f"{n}: cannot publish its {what}, holds it", turn.moved(held), cost="away")


_STEPS = {
    "idle": _idle,
    "polled": _polled,
    "doubt": _doubt,
    "run": _run,
    "dropped": _dropped,
    "left": _left,
    "out": _out,
}

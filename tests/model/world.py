"""What nobody does: time passes, Kafka delivers again or loses, MongoDB goes away or rolls back; and a stranger."""

from job_contracts.lifecycle import JobState
from tests.model.state import Outcome
from tests.model.turn import Turn, is_on

_TOPICS = ("jobs", "results", "letters")


def steps(turn: Turn) -> None:
    """Add what happens by itself."""
    if turn.live:
        _time(turn)
    _kafka(turn)
    _mongodb(turn)
    if turn.live and turn.may("forge"):
        _stranger(turn)
    if turn.live and turn.state.served and turn.may("unserved"):
        turn.go("no worker runs the task any more", turn.state._replace(served=False), cost="unserved")
    if not turn.state.served:
        turn.go("a worker brings the task", turn.state._replace(served=True))


def _time(turn: Turn) -> None:
    state, job = turn.state, turn.state.job
    assert job is not None
    # Who is on the attempt ends it before its deadline, or pushes wake_at while it cannot publish the outcome.
    held = job.state == JobState.RUNNING and any(is_on(w, job) for w in state.workers)
    if job.wake == "later" and not held:
        turn.go("time: wake_at has come", state._replace(job=job._replace(wake="due")))
    if job.wake == "far":
        patient = "patience" in turn.options
        turn.go("time: a far wake_at has come", state._replace(job=job._replace(wake="due")), fair=patient)
    if job.worker == "held":
        turn.go("time: the lease of a former process ends", state._replace(job=job._replace(worker="ended")))
    if job.worker == "ended" and turn.may("forget"):
        forgotten = state._replace(job=job._replace(worker="gone"))
        turn.go("ttl: the lease document of a former process expires", forgotten, cost="forget")
    if job.expiry == "ahead":
        waits = job.state in {JobState.PENDING, JobState.WAITING}
        late = job._replace(expiry="passed", wake="due" if waits else job.wake)
        turn.go("time: expire_by has come", state._replace(job=late))


def _kafka(turn: Turn) -> None:
    state = turn.state
    if state.budget.loss:
        for topic in _TOPICS[1:] if "outcomes" in turn.options else _TOPICS:
            for message in getattr(state, topic):
                lost = state._replace(**{topic: getattr(state, topic) - {message}})
                turn.go(f"kafka: loses an acknowledged message of {topic}", lost, cost="loss")
    if state.budget.duplicate:
        for topic in _TOPICS:
            for message in getattr(state, f"{topic}_read"):
                again = state._replace(**{topic: getattr(state, topic) | {message}})
                turn.go(f"kafka: delivers a message of {topic} again", again, cost="duplicate")


def _stranger(turn: Turn) -> None:
    """Letters of the right version for a job that nobody runs: forged, or sent by a fault of ours."""
    state, job = turn.state, turn.state.job
    assert job is not None
    if job.state != JobState.RUNNING:
        for expired in (False, True):
            letter = Outcome(job.version, judged=True, expired=expired)
            what = "an expiry" if expired else "a failure"
            turn.go(f"stranger: says {what}", state._replace(letters=state.letters | {letter}), cost="forge")


def _mongodb(turn: Turn) -> None:
    state = turn.state
    if state.unflushed is not None:
        turn.go("mongod: flushes its journal", state._replace(unflushed=None))
        # Who holds what was rolled back holds a version that is to come: as if it had never been.
        back = state._replace(job=state.unflushed, unflushed=None)
        turn.go("mongod: crashes and rolls an unjournaled claim back", back, cost="rollback")
    if turn.may("outage"):
        workers = tuple(w._replace(lease="ended") for w in state.workers)
        cut = state._replace(workers=workers, contact=False)
        turn.go("mongod: is away for longer than a lease", cut, cost="outage")
    if not state.contact and all(w.lease == "held" and not w.late for w in state.workers):
        # Workers renew several times in one lease: they know before a dispatcher may judge.
        turn.go("time: a dispatcher has been in contact for one lease", state._replace(contact=True))

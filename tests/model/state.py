"""What a state of the model is: one job, and everybody who knows something about it.

Versions are kept relative: only equality with the record's counts, so the record always
stands at `HERE` and what somebody holds of an older one is clamped. The same holds for
`wake_at`: a holder has seen the present value (`stamp` 1) or another one (0). That keeps
the number of states finite although a job may go round for ever.
"""

from typing import Any, Final, NamedTuple

HERE: Final = 3
"""Version of the record in every canonical state."""

NOBODY: Final = "-"
"""No worker, no token."""

EMPTY: Final[frozenset[Any]] = frozenset()


class Job(NamedTuple):
    """The record, as far as the protocol looks at it."""

    state: str
    reason: str = ""
    version: int = HERE
    failures: int = 0
    wake: str = "later"
    """`due`, `later`, `far` (so far that nobody should have to wait for it) or nothing."""
    stamp: int = 1
    worker: str = NOBODY
    """The index of a worker under its present id, or how the lease of a former id stands."""
    claim: str = NOBODY
    cancel: bool = False
    redrives: int = 0
    expiry: str = ""
    """`ahead`, `passed` or nothing."""
    low: bool = False
    ttl: bool = False


class Message(NamedTuple):
    """`job.requested` on `jobs`, until its group commits it."""

    version: int
    probe: bool = False
    copy: int = 0


NO_MESSAGE: Final = Message(0)


class Outcome(NamedTuple):
    """A result or a dead letter on its topic, until its group commits it."""

    version: int
    timely: bool = True
    """Whether the lease held when Kafka acknowledged it."""
    judged: bool = False
    """Whether a dispatcher sent it (or a stranger), not the worker of the attempt."""
    expired: bool = False
    """Whether it says that the job was not started in time."""


class Worker(NamedTuple):
    """A process with one slot. A crash and the start after it are one step."""

    at: str = "idle"
    version: int = 0
    lease: str = "held"
    owes: Message = NO_MESSAGE
    """What it must still commit."""
    probe: bool = False
    parks: bool = False
    """It believed, when it polled, that the task is paused."""
    late: bool = False
    """What it is on, it began under an id that has lapsed."""
    last: bool = False
    letter: bool = False
    leaving: bool = False
    hung: bool = False


class Dispatcher(NamedTuple):
    """What a dispatcher is in the middle of."""

    at: str = ""
    kind: str = ""
    version: int = 0
    stamp: int = 0
    probe: bool = False
    named: bool = False
    """Whether the running job had a worker when it was seen."""
    waits_for: frozenset[tuple[str, Outcome]] = EMPTY


class Recorder(NamedTuple):
    """The result-worker or the dlq-worker with one message in hand."""

    at: str = ""
    outcome: Outcome = Outcome(0)


class Intent(NamedTuple):
    """What an api replica still means to do behind an answer."""

    what: str
    version: int
    stamp: int


class Budget(NamedTuple):
    """How often each fault, and each act of a person, may still happen."""

    crash: int = 0
    duplicate: int = 0
    freeze: int = 0
    hang: int = 0
    doubt: int = 0
    away: int = 0
    loss: int = 0
    full: int = 0
    rate: int = 0
    leave: int = 0
    outage: int = 0
    rollback: int = 0
    forget: int = 0
    forge: int = 0
    pause: int = 0
    brake: int = 0
    cancel: int = 0
    redrive: int = 0
    reschedule: int = 0
    delete: int = 0
    remove: int = 0
    unserved: int = 0


class State(NamedTuple):
    """Everything."""

    job: Job | None
    budget: Budget
    api: frozenset[Intent] = EMPTY
    jobs: frozenset[Message] = EMPTY
    results: frozenset[Outcome] = EMPTY
    letters: frozenset[Outcome] = EMPTY
    jobs_read: frozenset[Message] = EMPTY
    """Committed, and still there to be delivered again."""
    results_read: frozenset[Outcome] = EMPTY
    letters_read: frozenset[Outcome] = EMPTY
    kept: frozenset[tuple[int, int]] = EMPTY
    """Stored results: the version in their key, and the one that produced them."""
    parked: frozenset[int] = EMPTY
    """Versions with a stored dead letter."""
    workers: tuple[Worker, ...] = (Worker(), Worker())
    dispatchers: tuple[Dispatcher, ...] = (Dispatcher(),)
    result_worker: Recorder = Recorder()
    dlq_worker: Recorder = Recorder()
    paused: str = ""
    """By `person`, by `brake`, or not."""
    served: bool = True
    """Whether a live worker runs the task."""
    contact: bool = True
    """Whether dispatchers have been in touch with MongoDB for one whole lease."""
    unflushed: Job | None = None
    """What a crash of mongod would bring back, if a write was not journaled."""


def canonical(state: State) -> State:
    """Return the one state that stands for all that behave alike."""
    job, changes = state.job, dict[str, Any]()
    if job is not None:
        if job.version != HERE or job.stamp != 1:
            changes = _relative(state, job)
            job = changes["job"]
        doubted = job.claim != NOBODY and state.workers[int(job.claim)].at == "doubt"
        if job.claim != NOBODY and not doubted:
            changes["job"] = job = job._replace(claim=NOBODY)
    if not state.budget.duplicate and (state.jobs_read or state.results_read or state.letters_read):
        changes |= {"jobs_read": EMPTY, "results_read": EMPTY, "letters_read": EMPTY}
    dispatchers = changes.get("dispatchers", state.dispatchers)
    if len(dispatchers) > 1:
        changes["dispatchers"] = tuple(sorted(dispatchers, key=_order))
    workers = changes.get("workers", state.workers)
    if len(workers) > 1:
        first, second = workers
        if first > second or (first == second and job is not None and job.worker == "1"):
            changes["workers"] = (second, first)
            if job is not None:
                changes["job"] = job._replace(worker=_swapped(job.worker), claim=_swapped(job.claim))
    return state._replace(**changes) if changes else state


def _relative(state: State, job: Job) -> dict[str, Any]:
    shift, stamp = job.version - HERE, job.stamp

    def version(number: int, oldest: int = HERE - 2) -> int:
        return max(oldest, number - shift) if number else 0

    def fresh(number: int, seen: int) -> int:
        return int(number == job.version and seen == stamp)

    def messages(items: frozenset[Message]) -> frozenset[Message]:
        return frozenset(m._replace(version=version(m.version, HERE - 1)) for m in items)

    def outcomes(items: frozenset[Outcome]) -> frozenset[Outcome]:
        return frozenset(o._replace(version=version(o.version)) for o in items)

    def dispatcher(d: Dispatcher) -> Dispatcher:
        if d.at == "barrier" and d.version != job.version:
            return Dispatcher()  # the next tick finds nothing to judge
        return d._replace(version=version(d.version, HERE - 1), stamp=fresh(d.version, d.stamp))

    def recorder(r: Recorder) -> Recorder:
        return r._replace(outcome=r.outcome._replace(version=version(r.outcome.version)))

    def worker(w: Worker) -> Worker:
        oldest = HERE - 1 if w.at == "polled" else HERE - 2
        owes = w.owes._replace(version=version(w.owes.version, HERE - 1))
        return w._replace(version=version(w.version, oldest), owes=owes)

    return {
        "job": job._replace(version=HERE, stamp=1),
        "api": frozenset(
            Intent(i.what, version(i.version, HERE - 1), fresh(i.version, i.stamp)) for i in state.api
        ),
        "jobs": messages(state.jobs),
        "jobs_read": messages(state.jobs_read),
        "results": outcomes(state.results),
        "results_read": outcomes(state.results_read),
        "letters": outcomes(state.letters),
        "letters_read": outcomes(state.letters_read),
        # What lies further back can be nobody's result any more.
        "kept": frozenset(
            (version(key), version(by)) for key, by in state.kept if not key or key - shift > HERE - 2
        ),
        "parked": frozenset(version(v) for v in state.parked if v - shift > HERE - 2),
        "workers": tuple(map(worker, state.workers)),
        "dispatchers": tuple(map(dispatcher, state.dispatchers)),
        "result_worker": recorder(state.result_worker),
        "dlq_worker": recorder(state.dlq_worker),
        "unflushed": state.unflushed and state.unflushed._replace(version=state.unflushed.version - shift),
    }


def _order(dispatcher: Dispatcher) -> tuple[Any, ...]:
    return (*dispatcher[:-1], sorted(dispatcher.waits_for))


def _swapped(name: str) -> str:
    return {"0": "1", "1": "0"}.get(name, name)

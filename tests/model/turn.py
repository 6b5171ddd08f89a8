"""One state, and the arrows that leave it: what every actor writes its steps into."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from job_contracts.lifecycle import FINAL, JobState, Role
from tests.model.state import HERE, NOBODY, Dispatcher, Job, Message, State, Worker
from tests.model.truth import Truth


class Arrow(NamedTuple):
    """One atomic step of one actor: a command to MongoDB, a produce with its answer, or a commit."""

    label: str
    state: State
    fair: bool
    """Whether it comes to pass by itself, if it can for ever: no fault and no person is counted on."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which of the protocol's rules hold; a mutation turns one off."""

    off: frozenset[str] = frozenset()

    def __contains__(self, rule: str) -> bool:
        return rule not in self.off


@dataclass(slots=True)
class Turn:
    """The state that is looked at, what applies to it, and the arrows found so far."""

    state: State
    rules: Rules
    truth: Truth
    options: frozenset[str] = frozenset()
    arrows: list[Arrow] = field(default_factory=list)

    def may(self, cost: str) -> bool:
        """Whether this fault or act may still happen: asked first where the state after it is costly to make."""
        return bool(getattr(self.state.budget, cost))

    def go(self, label: str, state: State, *, fair: bool = True, cost: str = "") -> None:
        """Add an arrow; one with a cost is a fault or a person's act, and there are only so many."""
        if cost:
            left = getattr(state.budget, cost)
            if not left:
                return
            state = state._replace(budget=state.budget._replace(**{cost: left - 1}))
        self.arrows.append(Arrow(label, state, fair and not cost))

    def after(self, name: str, by: Role, **options: Any) -> Job | None:
        """Return the record after an update, None if it matches nothing."""
        return self.truth.after(name, self.state.job, by=by, **options)

    def moved(self, job: Job, state: State | None = None, **changes: Any) -> State:
        """Return the state with this record, journaled."""
        return (state or self.state)._replace(job=job, unflushed=None, **changes)

    @property
    def live(self) -> bool:
        """Whether there is a job that has not ended."""
        return self.state.job is not None and JobState(self.state.job.state) not in FINAL

    def worker(self, index: int, worker: Worker, state: State | None = None, **changes: Any) -> State:
        """Return the state with this worker."""
        state = state or self.state
        workers = (*state.workers[:index], worker, *state.workers[index + 1 :])
        return state._replace(workers=workers, **changes)

    def dispatcher(
        self, index: int, dispatcher: Dispatcher, state: State | None = None, **changes: Any
    ) -> State:
        """Return the state with this dispatcher."""
        state = state or self.state
        dispatchers = (*state.dispatchers[:index], dispatcher, *state.dispatchers[index + 1 :])
        return state._replace(dispatchers=dispatchers, **changes)

    def with_message(self, version: int, *, probe: bool = False) -> frozenset[Message]:
        """Return the topic `jobs` with one message more."""
        jobs = self.state.jobs
        copy = 0
        if "copies" in self.options and Message(version, probe) in jobs:
            copy = 1  # whoever commits the first one leaves this
        return jobs | {Message(version, probe, copy)}


def is_lapsed(state: State, job: Job, rules: Rules) -> bool:
    """Whether a dispatcher sees no lease of the worker that the running job names."""
    if job.worker == NOBODY:
        return False
    lease = state.workers[int(job.worker)].lease if job.worker in {"0", "1"} else job.worker
    if "leases count" not in rules:
        return True
    return lease == "ended" or (lease == "gone" and "no lease is no worker" in rules)


def is_on(worker: Worker, job: Job) -> bool:
    """Whether this process is on the present attempt."""
    return (
        not worker.hung
        and (not worker.late or worker.at in {"dropped", "out"})
        and worker.version == job.version == HERE
        and worker.at in {"doubt", "run", "dropped", "out"}
    )

"""result-worker and dlq-worker: store first, then move, then commit."""

from typing import Any, NamedTuple

from job_contracts.lifecycle import Role
from tests.model.state import Outcome, Recorder, State
from tests.model.turn import Turn


class Lane(NamedTuple):
    """What tells the two apart."""

    name: str
    role: Role
    field: str
    topic: str
    move: str
    rule: str


LANES = (
    Lane(
        "result-worker", Role.RESULT_WORKER, "result_worker", "results", "succeed", "results are stored first"
    ),
    Lane("dlq-worker", Role.DLQ_WORKER, "dlq_worker", "letters", "fail", "letters are stored first"),
)


def steps(turn: Turn) -> None:
    """Add the arrows of both."""
    for lane in LANES:
        recorder: Recorder = getattr(turn.state, lane.field)
        order = ("keep", "move") if lane.rule in turn.rules else ("move", "keep")
        if not recorder.at:
            for outcome in getattr(turn.state, lane.topic):
                _go(turn, lane, "polls", Recorder(order[0], outcome))
            continue
        if turn.may("crash"):
            crashed = _with(turn.state, {lane.field: Recorder()})
            turn.go(f"{lane.name}: crashes before it can {recorder.at}", crashed, cost="crash")
        after = {order[0]: order[1], order[1]: "commit"}
        {"keep": _keep, "move": _move, "commit": _commit}[recorder.at](
            turn, lane, recorder.outcome, Recorder(after.get(recorder.at, ""), recorder.outcome)
        )


def _go(
    turn: Turn, lane: Lane, what: str, recorder: Recorder, state: State | None = None, **changes: Any
) -> None:
    state = _with(state or turn.state, {lane.field: recorder, **changes})
    turn.go(f"{lane.name}: {what}", state)


def _keep(turn: Turn, lane: Lane, outcome: Outcome, then: Recorder) -> None:
    state, version = turn.state, outcome.version
    if lane.topic == "letters":
        _go(turn, lane, "stores the letter", then, parked=state.parked | {version})
        return
    key = version if "results are kept by version" in turn.rules else 0
    there = {k for k, _ in state.kept}
    kept = state.kept if key in there else state.kept | {(key, version)}
    _go(turn, lane, "stores the result", then, kept=kept)


def _move(turn: Turn, lane: Lane, outcome: Outcome, then: Recorder) -> None:
    move = "fail_expired" if outcome.expired else lane.move
    job = turn.after(move, lane.role, version=outcome.version)
    if job is None:
        _go(turn, lane, f"{move} matches nothing", then)
    else:
        _go(turn, lane, move, then, turn.moved(job))


def _commit(turn: Turn, lane: Lane, outcome: Outcome, _: Recorder) -> None:
    topic, read = getattr(turn.state, lane.topic), getattr(turn.state, f"{lane.topic}_read")
    changes = {lane.topic: topic - {outcome}, f"{lane.topic}_read": read | {outcome}}
    _go(turn, lane, "commits", Recorder(), **changes)


def _with(state: State, changes: dict[str, Any]) -> State:
    return state._replace(**changes)

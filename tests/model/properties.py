"""What must hold in every state and on every arrow; `truth.py` judges each change of the record itself."""

from job_contracts.lifecycle import FINAL, JobState
from tests.model.state import State
from tests.model.truth import expect
from tests.model.turn import Arrow, Turn


def hold(turn: Turn, arrow: Arrow) -> None:
    """Raise `BrokenError` if the arrow, or the state it leads to, breaks a promise."""
    before, state = turn.state, arrow.state
    job = state.job
    if before.job is None or job is None:
        expect(job is None, "a deleted job came back")
        expect(before.job is None or JobState(before.job.state) in FINAL, "a live job was removed")
        return
    if job.state == JobState.SUCCEEDED:
        results = dict(state.kept)
        key = job.version - 1 if "results are kept by version" in turn.rules else 0
        expect(key in results, "succeeded without a stored result")
        expect(results.get(key) == job.version - 1, "succeeded with the result of a zombie")
    if job.state == JobState.FAILED:
        expect(job.version - 1 in state.parked, "failed without a stored dead letter")
    _one_runner(turn, state)
    if job.state == JobState.PENDING and job.wake == "far" and "patience" not in turn.options:
        on_its_way = any(m.version == job.version for m in state.jobs)
        in_hand = any(w.at == "polled" and w.version == job.version for w in state.workers)
        expect(on_its_way or in_hand, "pending, wake_at far out, and no message")


def _one_runner(turn: Turn, state: State) -> None:
    runs = {"run"} if "ended, then given back" in turn.rules else {"run", "left"}
    live = [w for w in state.workers if w.at in runs and w.lease == "held" and not w.late and not w.hung]
    expect(len(live) < 2, "two workers with live leases run the job")

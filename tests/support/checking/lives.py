"""I1, I2, I3: no accepted job is lost, each ends once, and on the way it makes legal moves, one version each."""

import itertools

from job_contracts.lifecycle import JobState, is_legal
from tests.support.api import FINAL
from tests.support.checking.evidence import Evidence, Findings
from tests.support.records import aware


def check_lives(evidence: Evidence, found: Findings) -> None:
    """Look at the end of each job and at the way there."""
    _nothing_is_lost(evidence, found)
    for job in evidence.stored:
        _moves_are_legal(evidence, found, job)
        _ends_once(evidence, found, job)
    ended = [record for record in evidence.stored.values() if record["state"] in FINAL]
    found.counted |= {
        "finished": len(ended),
        "failed": sum(record["state"] == "failed" for record in ended),
        "never answered": len(evidence.stored.keys() - evidence.accepted),
    }
    if evidence.healed is not None:
        last = max((aware(r["finished_at"]) for r in ended), default=evidence.healed)
        found.counted["recovery s"] = max(0.0, (last - evidence.healed).total_seconds())


def _nothing_is_lost(evidence: Evidence, found: Findings) -> None:
    for job in sorted(evidence.accepted - evidence.stored.keys()):
        found.wrong.append(f"I1: {job} was accepted and is not there")
    for job, record in evidence.stored.items():
        state, allowed = record["state"], evidence.ends.of(job)
        if job not in evidence.accepted:
            # Nobody was told of it, so nobody can say how it must end; but end it must.
            found.expect(state in FINAL, f"I1: {job} was stored, never answered, and is {state}")
        elif state not in allowed:
            wanted = " or ".join(sorted(allowed))
            found.wrong.append(f"I1: {job} is {state}, not {wanted}: {record.get('error')}")
        if state == "succeeded":
            has_result = "result" in record or record["version"] - 1 in evidence.results.get(job, ())
            found.expect(has_result, f"I1: {job} succeeded without a result")


def _moves_are_legal(evidence: Evidence, found: Findings, job: str) -> None:
    path, told = evidence.steps.get(job, ()), evidence.told(job)
    found.expect(bool(path) and path[0].version == 1, f"I3: {job} began oddly: {told}")
    found.expect(
        not path or path[0].state in {"pending", "waiting"}, f"I3: {job} was born {path and path[0].state}"
    )
    for before, after in itertools.pairwise(path):
        found.expect(after.version == before.version + 1, f"I3: {job} jumped: {told}")
        legal = is_legal(JobState(before.state), JobState(after.state))
        found.expect(legal, f"I3: {job} made an illegal move: {told}")
    if path:
        last, record = path[-1], evidence.stored[job]
        same = (last.version, last.state) == (record["version"], record["state"])
        found.expect(same, f"I3: {job}: the record differs from its last step: {told}")


def _ends_once(evidence: Evidence, found: Findings, job: str) -> None:
    path, ended = evidence.steps.get(job, ()), evidence.finals(job)
    if job not in evidence.ends.redriven:
        found.expect(len(ended) <= 1, f"I2: {job} ended {len(ended)} times: {evidence.told(job)}")
    if ended:
        found.expect(path[-1] is ended[-1], f"I2: {job} went on after its end: {evidence.told(job)}")

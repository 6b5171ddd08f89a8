"""I4: an upstream is asked at most once for each time a job ran, and never beyond its quota."""

import json
from collections import Counter, defaultdict

from tests.support.checking.evidence import Evidence, Findings
from tests.support.unsplash import Request


def check_upstream(evidence: Evidence, found: Findings) -> None:
    """Compare what the stand-in was asked with the attempts there were.

    A request carries no id of a job: it is known by its query, so rows give each job its own.
    """
    asked = Counter(request.query.get("query", "") for request in evidence.upstream)
    runs: dict[str, int] = defaultdict(int)
    for job, record in evidence.stored.items():
        if (query := _query(record.get("payload"))) is not None:
            runs[query] += sum(step.state == "running" for step in evidence.steps.get(job, ()))
    for query, times in asked.items():
        found.expect(
            times <= runs[query],
            f"I4: upstream was asked {times} times for {query!r}, which ran {runs[query]} times",
        )
    found.counted["upstream calls"] = len(evidence.upstream)
    found.counted["repeated upstream calls"] = sum(n - 1 for n in asked.values())


def within_quota(found: Findings, asked: list[Request], *, quota: int, window: float) -> None:
    """See that no window of this many seconds, wherever it begins, holds more requests than the quota."""
    times = sorted(request.at for request in asked)
    for first, last in zip(times, times[quota:], strict=False):
        if last - first < window:
            found.wrong.append(f"I4: over {quota} requests came within {last - first:.1f} s")
            return


def _query(payload: object) -> str | None:
    try:
        decoded = json.loads(payload) if isinstance(payload, str | bytes) else payload
    except ValueError:
        return None
    query = decoded.get("query") if isinstance(decoded, dict) else None
    return query if isinstance(query, str) else None

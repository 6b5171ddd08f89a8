"""Every way to change a record, by name, each with foreign text wherever text may come from outside."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from job_contracts import record
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo
from job_contracts.record import GuardedMove

Builder = Callable[[str, int], Sequence[GuardedMove]]

WEEK: Final = timedelta(days=7)
ERROR: Final = ErrorInfo(type="$$ROOT", message="$state: {$a: 1} ünïcode \u2028 ☃")
WAKE: Final = datetime(2026, 1, 1, tzinfo=UTC)

FENCED: Final[Mapping[str, Builder]] = {
    "claim": lambda i, v: [record.claim([i], v, worker="$worker", token="$$NOW")],
    "release": lambda i, v: [record.release([i], v)],
    "retry": lambda i, v: [record.retry(i, v, wait=timedelta(seconds=1), error=ERROR)],
    "postpone": lambda i, v: [record.postpone(i, v, wait=timedelta(seconds=1))],
    "give_back": lambda i, v: [record.give_back(i, v)],
    "succeed": lambda i, v: [record.succeed([i], v, retention=WEEK)],
    "fail": lambda i, v: [record.fail([i], v, kind=k, error=ERROR, retention=WEEK) for k in ErrorKind],
    "stop": lambda i, v: [record.stop(i, v, retention=WEEK)],
}
"""Moves a service makes, fenced by the version."""

PERSONAL: Final[Mapping[str, Builder]] = {
    "cancel": lambda i, _: [record.cancel(i, owner="default", retention=WEEK)],
    "redrive": lambda i, _: [
        record.redrive(i, owner="default", limit=3),
        record.redrive(i, owner="default", limit=None, payload='"$$ROOT"'),
    ],
}
"""Moves a person asks for: they name the job, not a version."""

KEEPING: Final[Mapping[str, Builder]] = {
    "request_cancel": lambda i, _: [record.request_cancel(i, owner="default")],
    "far_out": lambda i, v: [record.far_out([i], v, wake_at=WAKE)],
    "republish": lambda i, v: [record.republish([i], v)],
    "hand_over": lambda i, v: [record.hand_over([i], v)],
    "hold_outcome": lambda i, v: [record.hold_outcome([i], v)],
    "take_over": lambda i, v: [record.take_over(i, v, worker=None, wake_at=WAKE)],
    "progress": lambda i, v: [record.progress(i, v, percent=10, message="$$ROOT")],
}
"""Updates that leave state and version alone."""

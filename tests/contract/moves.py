"""Every way to change a record, by name, each with foreign text wherever text may come from outside."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from job_contracts import keeping, personal, record
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
    "park": lambda i, v: [record.park([i], v)],
    "await_worker": lambda i, v: [record.await_worker([i], v)],
    "defer": lambda i, v: [record.defer([i], v)],
    "retry": lambda i, v: [record.retry(i, v, wait=timedelta(seconds=1), error=ERROR)],
    "postpone": lambda i, v: [record.postpone(i, v, wait=timedelta(seconds=1))],
    "give_back": lambda i, v: [record.give_back(i, v)],
    "succeed": lambda i, v: [record.succeed([i], v, retention=WEEK, token="$token")],
    "fail": lambda i, v: [
        record.fail([i], v, kind=k, error=ERROR, retention=WEEK, token="$token") for k in ErrorKind
    ],
    "fail_expired": lambda i, v: [record.fail_expired([i], v, error=ERROR, retention=WEEK, token="$token")],
    "stop": lambda i, v: [record.stop(i, v, retention=WEEK)],
}
"""Moves a service makes, fenced by the version."""

PERSONAL: Final[Mapping[str, Builder]] = {
    "cancel": lambda i, _: [personal.cancel([i], owner="default", retention=WEEK)],
    "redrive": lambda i, _: [
        personal.redrive([i], owner="default", limit=3),
        personal.redrive([i], owner="default", limit=None, payload='"$$ROOT"'),
    ],
    "redrive_later": lambda i, _: [
        personal.redrive_later([i], owner="default", limit=3, wait=timedelta(seconds=1))
    ],
    "reschedule": lambda i, _: [
        personal.reschedule(i, owner="default", run_at=WAKE),
        personal.reschedule(i, owner="default", low=True),
        personal.reschedule(i, owner="default", low=False),
        personal.reschedule(i, owner="default", run_at=WAKE, low=False),
    ],
}
"""Moves a person asks for: they name the job, not a version."""

KEEPING: Final[Mapping[str, Builder]] = {
    "request_cancel": lambda i, _: [personal.request_cancel([i], owner="default")],
    "far_out": lambda i, v: [keeping.far_out([i], v, wake_at=WAKE)],
    "republish": lambda i, v: [keeping.republish([i], v)],
    "hand_over": lambda i, v: [keeping.hand_over([i], v)],
    "keep_pending": lambda i, v: [keeping.keep_pending([i], v, wait=timedelta(seconds=10))],
    "hold_outcome": lambda i, v: [keeping.hold_outcome([i], v)],
    "set_aside": lambda i, v: [keeping.set_aside(i, v)],
    "take_over": lambda i, v: [keeping.take_over(i, v, worker=None, wake_at=WAKE)],
    "progress": lambda i, v: [keeping.progress(i, v, percent=10, message="$$ROOT")],
    "expire": lambda i, v: [keeping.expire(i, v, wake_at=WAKE)],
    "append_logs": lambda i, v: [
        keeping.append_logs(i, v, [{"at": WAKE, "attempt": 1, "level": "info", "message": "$$ROOT"}])
    ],
}
"""Updates that leave state and version alone."""

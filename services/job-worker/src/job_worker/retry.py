"""What follows a failed attempt: a pure decision."""

from dataclasses import dataclass
from datetime import timedelta

from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo
from job_worker.tasks import RateLimited, Reject, Retry, Task

_MESSAGE_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt: publish a dead letter."""

    kind: ErrorKind
    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Wait, then another attempt."""

    wait: timedelta
    error: ErrorInfo
    outcome: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Wait for an upstream; no attempt is burnt."""

    wait: timedelta


Verdict = GiveUp | TryAgain | Postpone


def describe(error: BaseException) -> ErrorInfo:
    """Return what the owner of the job may see of an error.

    >>> describe(ValueError("no such colour"))
    ErrorInfo(type='ValueError', message='no such colour')
    """
    return ErrorInfo(type=type(error).__name__, message=str(error)[:_MESSAGE_LIMIT])


def judge(error: BaseException, *, task: Task, attempt: int, max_attempts: int, timed_out: bool) -> Verdict:
    """Say what follows after attempt number `attempt` ended with `error`."""
    if isinstance(error, RateLimited):
        return Postpone(wait=max(error.until, timedelta(milliseconds=100)))
    info = describe(error)
    if isinstance(error, Reject):
        return GiveUp(ErrorKind.REJECTED, info)
    kind = ErrorKind.TIMED_OUT if timed_out else ErrorKind.EXHAUSTED
    if attempt >= max_attempts:
        return GiveUp(kind, info)
    asked = error.after if isinstance(error, Retry) else None
    wait = asked if asked is not None else task.backoff.wait(attempt)
    return TryAgain(wait=wait, error=info, outcome="timed_out" if timed_out else "failed")

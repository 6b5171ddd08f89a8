"""What follows a failed attempt: a pure decision."""

from dataclasses import dataclass
from datetime import timedelta

from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo
from job_worker.tasks import RateLimited, Reject, Retry, Task
from job_worker.tasks.storable import MESSAGE_LIMIT, name_of, text_of, wait_of


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
    """Return what the owner of the job may see of an error; whatever the error is, it can be stored.

    >>> describe(ValueError("no such colour"))
    ErrorInfo(type='ValueError', message='no such colour')
    """
    return ErrorInfo(type=name_of(error), message=text_of(error, limit=MESSAGE_LIMIT))


def judge(error: BaseException, *, task: Task, attempt: int, max_attempts: int, timed_out: bool) -> Verdict:
    """Say what follows after attempt number `attempt` ended with `error`."""
    try:
        asked = _asked_wait(error)
    except TypeError as bad:
        # It was set past the constructor, which refuses it.
        error, asked = bad, None
    # By type: what an error says of its class is its own code.
    if asked is not None and issubclass(type(error), RateLimited):
        return Postpone(wait=max(asked, timedelta(milliseconds=100)))
    info = describe(error)
    if issubclass(type(error), Reject):
        return GiveUp(ErrorKind.REJECTED, info)
    kind = ErrorKind.TIMED_OUT if timed_out else ErrorKind.EXHAUSTED
    if attempt >= max_attempts:
        return GiveUp(kind, info)
    wait = asked if asked is not None else wait_of(task.backoff.wait(attempt), what="backoff")
    return TryAgain(wait=wait, error=info, outcome="timed_out" if timed_out else "failed")


def _asked_wait(error: BaseException) -> timedelta | None:
    """Return how long the error asks to wait, if it does; TypeError if that is no time."""
    if issubclass(type(error), RateLimited):
        return wait_of(getattr(error, "until", None), what="until")
    after = getattr(error, "after", None) if issubclass(type(error), Retry) else None
    return None if after is None else wait_of(after, what="after")

"""How a task can go wrong.

* TaskError
  x Reject        the answer is no: the job fails now
    x JobsOwnFault  because of this job alone: it says nothing about the task
  x Retry         may pass: wait, then try again
    x JobsOwnTrouble  because of whom this job calls: it says nothing about the task
  x RateLimited   nobody's fault: wait that long, burn no attempt

Anything else is a bug in the task: treated as Retry, logged with its traceback.
"""

from datetime import timedelta

from job_worker.tasks.storable import wait_of


class TaskError(Exception):
    """What a task raises to say what happens next; its text is shown to the job's owner."""


class Reject(TaskError):  # noqa: N818  it reads as the instruction it is
    """The answer is no, and another attempt would be refused as well."""


class JobsOwnFault(Reject):
    """The answer is no because of what this job asks for; the poison brake does not count it."""


class Retry(TaskError):  # noqa: N818  it reads as the instruction it is
    """Another attempt may work; `after` overrides the back-off, as an upstream's `Retry-After` does.

    No wait is longer than 366 days.
    """

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = None if after is None else wait_of(after, what="after")


class JobsOwnTrouble(Retry):
    """Another attempt may work, and what went wrong concerns this job; the poison brake does not count it."""


class RateLimited(TaskError):  # noqa: N818  it reads as the instruction it is
    """An upstream takes no more calls for this long from now, 366 days at most; no attempt is burnt."""

    def __init__(self, message: str, *, until: timedelta) -> None:
        super().__init__(message)
        self.until = wait_of(until, what="until")

"""One attempt of a job: what is known of it while it lasts, and how it ends."""

import asyncio
import contextlib
from dataclasses import dataclass
from enum import StrEnum

from job_contracts.messages import JobRequested, JobSucceeded
from job_worker.lanes import Lane
from job_worker.slots import Turn
from job_worker.tasks import TaskContext, TaskError

Fence = tuple[str, int]
"""A job and the version of its running record: no two attempts have the same."""


class EndReason(StrEnum):
    """Why an attempt has ended."""

    RETURNED = "returned"
    """The task returned, and its result can be stored."""

    RAISED = "raised"
    """The payload, the task or the result raised; nobody had interrupted it."""

    TIMED_OUT = "timed_out"
    """It has had its time."""

    CANCELLED = "cancelled"
    """A person wants the job cancelled."""

    OTHER_VERSION = "other_version"
    """The payload was judged by another version of the task, and this one does not take it."""

    DROPPED = "dropped"
    """It is no longer this worker's, or must be given back: no attempt is consumed."""


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt has ended, with its outcome or what it raised."""

    reason: EndReason
    outcome: JobSucceeded | None = None
    error: BaseException | None = None


class AttemptTimedOut(Exception):  # noqa: N818  it is shown to the job's owner
    """The attempt took longer than its timeout."""


@dataclass(slots=True, eq=False)
class Running:
    """A job in line, in its slot, or with its outcome on the way."""

    request: JobRequested
    version: int
    """Version of the running record: the fence of everything this attempt does."""
    worker: str
    context: TaskContext
    started: float
    lane: Lane
    turn: Turn | None
    """What it waits for before it has its slot."""
    attempt: asyncio.Task[None] | None = None
    awaits_task: bool = False
    """The attempt stands in line or in the task, where it may be cancelled."""
    ignores_cancels: bool = False
    """It stands in a coroutine of the task's own, which may go on although it was cancelled."""
    interruptions: int = 0
    """Cancels of the attempt that were not taken back yet."""
    sending: asyncio.Future[None] | None = None
    cancel: bool = False
    drop: bool = False
    late: bool = False
    """The attempt has had its time."""
    reminder: asyncio.TimerHandle | None = None
    """The next time that a task which has swallowed its cancel is cancelled again."""
    escaped: BaseException | None = None
    """What ended an asyncio task that the task had started, and would have ended the worker."""
    abandoned: bool = False
    """It would not end, and has been recorded without its saying so."""
    ended: bool = False
    """Its task has ended, and what came of it is on its way: nobody else may run the job."""
    announced: bool = False
    next_report: float = 0.0

    @property
    def fence(self) -> Fence:
        """What tells this attempt from any other one."""
        return self.request.job_id, self.version

    @property
    def interruption(self) -> EndReason | None:
        """Why the attempt was told to end, if it was."""
        if self.drop:
            return EndReason.DROPPED
        if self.cancel:
            return EndReason.CANCELLED
        return EndReason.TIMED_OUT if self.late else None

    def interrupt(self) -> None:
        """Tell the task to end."""
        # A function in a thread cannot be ended: it is told, and waited for a while.
        self.context.cancelled = True
        # Only within the task itself: an outcome that is being published stays on its way.
        if self.attempt is not None and self.awaits_task:
            self.interruptions += self.attempt.cancel()

    def end_with(self, error: BaseException | None, *, is_coroutine: bool) -> End:
        """Return how the attempt has ended, now that its task has returned or raised.

        What was interrupted ends as what interrupted it. A task may say that its return is whole all the same;
        a coroutine that has had its time may still raise one of the task errors.
        """
        interruption = self.interruption
        if self.escaped is not None and interruption in {None, EndReason.TIMED_OUT}:
            return End(EndReason.RAISED, error=self.escaped)
        if error is None and (interruption is None or self.context.is_whole):
            return End(EndReason.RETURNED)
        if interruption is None:
            return End(EndReason.RAISED, error=error)
        says_so = is_coroutine and error is not None and issubclass(type(error), TaskError)
        if interruption is EndReason.TIMED_OUT and says_so:
            return End(EndReason.RAISED, error=error)
        return End(interruption)

    async def take_back_cancels(self) -> None:
        """Let what follows of the attempt, such as publishing its outcome, go on.

        The task may have cancelled the asyncio task it runs in, which is this one: such a cancel ends here too.
        """
        attempt = self.attempt
        if attempt is None:
            return
        foreign = attempt.cancelling() > self.interruptions
        while attempt.cancelling():
            attempt.uncancel()
        self.interruptions = 0
        if foreign:
            # Before Python 3.13 a cancel that was not delivered yet is not taken back by that.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

"""Records how an attempt has ended: by an outcome on Kafka or by a move of its job."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from job_contracts.keeping import append_logs
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo, JobFailed, JobSucceeded
from job_contracts.record import GuardedMove, give_back, postpone, retry, stop
from job_worker.attempt import End, EndReason, Running
from job_worker.brake import Brake
from job_worker.moving import Moving
from job_worker.outcomes import Outcome, Outcomes
from job_worker.retry import GiveUp, Postpone, TryAgain, Verdict, judge
from job_worker.tasks import JobsOwnFault, JobsOwnTrouble, Task
from service_chassis import failpoints

log = logging.getLogger(__name__)

_HELD: Final = timedelta(seconds=1)


class AttemptRecorder:
    """Hands each end to whoever records it.

    Parameters
    ----------
    brake
        Is told how attempts end.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task],
        outcomes: Outcomes,
        moving: Moving,
        brake: Brake,
        retention: timedelta,
    ) -> None:
        self._tasks = tasks
        self._outcomes, self._moving, self._brake = outcomes, moving, brake
        self._retention = retention

    async def note_lines(self, job: Running) -> None:
        """Store what the attempt has told: before its end, for a log belongs to the running record."""
        if lines := job.context.take_lines():
            await self._moving.note(append_logs(job.request.job_id, job.version, lines))

    async def record(self, job: Running, end: End) -> None:
        """Record how the attempt has ended. May be repeated: what was recorded matches nothing."""
        if end.outcome is not None:
            self._brake.succeeded(job.request.task, probe=job.request.probe)
            if failpoints.ON:
                failpoints.hit("after_effect")
            await self._send(job, end.outcome)
            if failpoints.ON:
                failpoints.hit("after_results")
        elif end.reason is EndReason.CANCELLED:
            await self._move_or_stop(job)
        elif end.reason is EndReason.OTHER_VERSION:
            log.info("attempt.other_version", extra={"task": job.request.task, "job_id": job.request.job_id})
            refused = self._tasks[job.request.task].digest
            await self._move_or_stop(job, give_back(job.request.job_id, job.version, refused=refused))
        elif end.error is None:
            await self._give_back(job)
        else:
            timed_out = end.reason is EndReason.TIMED_OUT
            await self._settle(job, self._verdict(job, end.error, timed_out=timed_out))

    async def record_abandoned(self, job: Running) -> None:
        """Record an attempt that does not end although it was told to.

        Its job is not tried again: the next attempt would run beside this one.
        """
        match job.interruption:
            case EndReason.CANCELLED:
                await self._move_or_stop(job)
            case EndReason.TIMED_OUT:
                message = (
                    f"the attempt took longer than {job.request.timeout:g} s, and did not end when cancelled"
                )
                error = ErrorInfo(type="AttemptTimedOut", message=message)
                await self._outcomes.publish(_letter(job, ErrorKind.TIMED_OUT, error))
            case _:
                await self._give_back(job)

    async def record_refused(self, job: Running, error: Exception) -> None:
        """Record that the end could not be recorded: what was to be stored is refused, by whoever stores it."""
        await self._settle(job, self._verdict(job, error, timed_out=False))

    def _verdict(self, job: Running, error: BaseException, *, timed_out: bool) -> Verdict:
        request = job.request
        verdict = judge(
            error,
            task=self._tasks[request.task],
            attempt=request.attempt,
            max_attempts=request.max_attempts,
            timed_out=timed_out,
        )
        if isinstance(verdict, Postpone) or issubclass(type(error), JobsOwnFault | JobsOwnTrouble):
            return verdict
        if self._brake.holds(request.task, verdict.error.type) and not request.probe:
            # The task is paused for this very error: the job waits like the others and loses nothing.
            return Postpone(wait=_HELD)
        self._brake.failed(request.task, verdict.error)
        return verdict

    async def _settle(self, job: Running, verdict: Verdict) -> None:
        request, version = job.request, job.version
        match verdict:
            case GiveUp(kind=kind, error=error):
                await self._send(job, _letter(job, kind, error))
            case TryAgain(wait=wait, error=error, outcome=outcome):
                move = retry(request.job_id, version, wait=wait, error=error, outcome=outcome)
                await self._move_or_stop(job, move)
            case Postpone(wait=wait):
                await self._move_or_stop(job, postpone(request.job_id, version, wait=wait))

    async def _send(self, job: Running, outcome: Outcome) -> None:
        job.sending = self._outcomes.publish(outcome)
        try:
            await self._out_of_slot(job, job.sending, outcome)
        except asyncio.CancelledError:
            if job.attempt is not None and job.attempt.cancelling():
                raise
            await self._give_back(job)

    async def _out_of_slot(self, job: Running, sending: asyncio.Future[None], outcome: Outcome) -> None:
        size = len(bytes(outcome.result)) if isinstance(outcome, JobSucceeded) else 0
        weight = job.lane.slots.leave(size=size)
        try:
            await sending
        finally:
            job.lane.slots.come_back(weight)

    async def _give_back(self, job: Running) -> None:
        await self._move_or_stop(job, give_back(job.request.job_id, job.version))

    async def _move_or_stop(self, job: Running, *moves: GuardedMove) -> None:
        """Make the move, or end a job that somebody wants cancelled, for which none of the others matches."""
        job_id, version = job.request.job_id, job.version
        await self._moving.make(job_id, version, *moves, stop(job_id, version, retention=self._retention))


def _letter(job: Running, kind: ErrorKind, error: ErrorInfo) -> JobFailed:
    request = job.request
    return JobFailed(
        job_id=request.job_id,
        owner=request.owner,
        version=job.version,
        attempt=request.attempt,
        task=request.task,
        kind=kind,
        error=error,
        traceparent=request.traceparent,
    )

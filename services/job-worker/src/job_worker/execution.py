"""Runs claimed jobs, each under its own timeout, in at most as many slots as there are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Raw
from pydantic import ValidationError

from job_contracts.keeping import append_logs
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo, JobFailed, JobRequested, JobSucceeded
from job_contracts.record import RESULT_LIMIT, GuardedMove, give_back, postpone, retry, stop
from job_worker.brake import Brake
from job_worker.lanes import Lane, Lanes
from job_worker.moving import Moving
from job_worker.outcomes import Outcome, Outcomes
from job_worker.processes import Processes
from job_worker.retry import GiveUp, Postpone, TryAgain, Verdict, judge
from job_worker.slots import Turn
from job_worker.tasks import JobsOwnFault, JobsOwnTrouble, Task, TaskContext
from job_worker.tasks.errors import TaskError
from job_worker.threads import Threads
from service_chassis import failpoints
from service_chassis.server import Grace

log = logging.getLogger(__name__)


Fence = tuple[str, int]
"""A job and the version of its running record: no two attempts have the same."""

_HELD = timedelta(seconds=1)
_IN_LINE = timedelta(seconds=1)
"""So long a claimed job waits for its slot; after that it may have one elsewhere."""

_TO_GIVE_BACK = timedelta(seconds=3)
TO_LEAVE = timedelta(seconds=10)
"""What the end takes after the drain at most: jobs are given back, the lease, Kafka and MongoDB are left."""


class ResultTooLarge(JobsOwnFault):
    """The result has more bytes than a job may have."""


class OtherVersion(Exception):  # noqa: N818  it ends no attempt
    """The payload was judged by another version of the task, and this one does not take it."""


class InvalidPayload(JobsOwnFault):
    """The payload is not what the task takes."""


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
    """The attempt stands in line or in the task's own coroutine, where it may be cancelled."""
    interruptions: int = 0
    """Cancels of the attempt that were not taken back yet."""
    sending: asyncio.Future[None] | None = None
    cancel: bool = False
    drop: bool = False
    late: bool = False
    """The attempt has had its time."""
    ended: bool = False
    """Its task has ended, and what came of it is on its way: nobody else may run the job."""
    announced: bool = False
    next_report: float = 0.0

    @property
    def fence(self) -> Fence:
        """What tells this attempt from any other one."""
        return self.request.job_id, self.version


class Execution:
    """Runs jobs and hands each end to whoever records it.

    Parameters
    ----------
    resources
        What the tasks opened at start, by task name.
    clock, now
        Monotonic seconds; the server's time.
    brake
        Is told how attempts end.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task],
        resources: Mapping[str, Any],
        lanes: Lanes,
        processes: Processes,
        outcomes: Outcomes,
        moving: Moving,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        brake: Brake,
        retention: timedelta,
        grace: Grace,
    ) -> None:
        self._tasks, self._resources = tasks, resources
        self._lanes, self._outcomes, self._moving = lanes, outcomes, moving
        self._clock, self._now, self._brake = clock, now, brake
        self._retention, self._grace = retention, grace
        self._running: dict[Fence, Running] = {}
        self._threads, self._processes = Threads(), processes

    async def __aenter__(self) -> "Execution":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let jobs finish while there is time, and give the others back."""
        attempts = [r.attempt for r in self._running.values() if r.attempt]
        if attempts:
            log.info("execution.draining", extra={"jobs": len(attempts)})
            await asyncio.wait(attempts, timeout=self._grace.left(but=TO_LEAVE))
        self._threads.hurry()
        leftover = list(self._running.values())
        self.drop(lambda _: True)
        for job in leftover:
            # Kafka is away. Should it have the outcome all the same, its version matches nothing any more.
            if job.sending is not None:
                job.sending.cancel()
        if leftover:
            giving_back = [r.attempt for r in leftover if r.attempt]
            await asyncio.wait(giving_back, timeout=_TO_GIVE_BACK.total_seconds())

    @property
    def running(self) -> Mapping[Fence, Running]:
        """Attempts in line, in their slots, and those whose outcomes are on their way, by job and version.

        The end of one attempt must not take away what is known of another one of the same job.
        """
        return self._running

    @property
    def living(self) -> Collection[str]:
        """Jobs whose functions run in threads, also when their attempts are over."""
        return self._threads.living

    @property
    def abandoned(self) -> int:
        """Functions that still run though their attempts are over."""
        return self._threads.abandoned

    def start(self, request: JobRequested, *, worker: str) -> None:
        """Run the claimed job in a slot of its own, as soon as there is one."""
        context = TaskContext(
            job_id=request.job_id,
            attempt=request.attempt,
            owner=request.owner,
            resource=self._resources.get(request.task),
            timeout=request.timeout,
            traceparent=request.traceparent,
            now=self._now,
        )
        lane = self._lanes.of(self._tasks[request.task])
        turn = lane.slots.take()
        job = Running(request, request.version + 1, worker, context, self._clock(), lane, turn)
        self._running[job.fence] = job
        job.attempt = asyncio.create_task(self._attempt(job), name=f"{request.task} {request.job_id}")

    def cancel(self, job_id: str, version: int) -> None:
        """End the attempt of a job that a person wants cancelled."""
        job = self._running.get((job_id, version))
        if job is not None and not job.cancel:
            job.cancel = True
            self._interrupt(job)

    def drop(self, which: Callable[[Running], bool]) -> None:
        """End attempts that are no longer ours, or must be given back; no attempt is burnt."""
        for job in [j for j in self._running.values() if which(j)]:
            self._drop(job)

    def _drop(self, job: Running) -> None:
        job.drop = True
        self._interrupt(job)

    def _drop_from_line(self, job: Running) -> None:
        """The jobs before this one were not as short as those before them."""
        log.info("attempt.no_slot", extra={"job_id": job.request.job_id})
        self._drop(job)

    def _time_is_up(self, job: Running) -> None:
        job.late = True
        self._interrupt(job)

    def _interrupt(self, job: Running) -> None:
        # A function in a thread cannot be ended: it is told, and waited for a while.
        job.context.cancelled = True
        # Only within the task itself: an outcome that is being published stays on its way.
        if job.attempt is not None and job.awaits_task:
            job.interruptions += job.attempt.cancel()

    async def _attempt(self, job: Running) -> None:
        try:
            end = await self._run(job)
            job.ended = True
            is_coroutine = self._tasks[job.request.task].is_coroutine
            if job.late and (isinstance(end, asyncio.CancelledError) or not is_coroutine):
                # A coroutine was told, and may have come to an end of its own; a thread has run on unaware.
                end = AttemptTimedOut(f"the attempt took longer than {job.request.timeout:g} s")
            job.lane.slots.took(self._clock() - job.started)
            if lines := job.context.take_lines():
                # Before the end: a log belongs to the running record.
                await self._moving.note(append_logs(job.request.job_id, job.version, lines))
            await self._finish(job, end)
        except Exception:
            # The lease is still ours; when `wake_at` of the job is due the dispatcher tries it again.
            log.exception("attempt.lost", extra={"job_id": job.request.job_id})
        finally:
            self._running.pop(job.fence, None)
            job.lane.slots.release(job.turn)

    async def _run(self, job: Running) -> "JobSucceeded | BaseException":
        """Run the task; return its outcome or what it raised."""
        task, request = self._tasks[job.request.task], job.request
        began = job.started
        try:
            if job.turn is not None:
                if not job.turn.done():
                    await self._in_line(job, job.turn)
                began = self._clock()
            try:
                payload = task.payload.model_validate_json(bytes(request.payload))
            except ValidationError:
                if request.digest is not None and request.digest != task.digest:
                    return OtherVersion()
                raise
            value = await self._in_time(job, task, payload)
            result = task.result.dump_json(task.result.validate_python(value))
            if len(result) > RESULT_LIMIT:
                raise ResultTooLarge(f"the result has {len(result)} bytes, {RESULT_LIMIT} are allowed")
        except ValidationError as error:
            return InvalidPayload(_first_error(error))
        except (asyncio.CancelledError, TimeoutError, TaskError) as error:
            return error
        except Exception as error:
            log.exception("task.raised", extra={"task": request.task, "job_id": request.job_id})
            return error
        return JobSucceeded(
            job_id=request.job_id,
            owner=request.owner,
            version=job.version,
            attempt=request.attempt,
            task=request.task,
            result=Raw(result),
            run_seconds=round(self._clock() - began, 4),
            traceparent=request.traceparent,
        )

    async def _in_line(self, job: Running, turn: Turn) -> None:
        late = asyncio.get_running_loop().call_later(_IN_LINE.total_seconds(), self._drop_from_line, job)
        try:
            await self._interruptible(job, turn)
        finally:
            late.cancel()

    async def _in_time(self, job: Running, task: Task, payload: Any) -> Any:
        process = None
        if task.isolation == "process":
            # Its start is no time of the attempt.
            process = await self._interruptible(job, self._processes.take())
        # One timer: `asyncio.timeout` would undo its cancel beside us, and is felt where jobs are short.
        timer = asyncio.get_running_loop().call_later(job.request.timeout, self._time_is_up, job)
        try:
            if process is not None:
                return await self._interruptible(job, process.run(task, job.request, job.context))
            if task.is_coroutine:
                # Within the attempt, for the same reason: no asyncio task of its own.
                return await self._interruptible(job, task.function(payload, job.context))
            running = self._threads.run(job.request.job_id, task.function, payload, job.context)
            return await self._interruptible(job, running)
        finally:
            timer.cancel()
            if process is not None:
                self._processes.give_back(process)

    async def _interruptible(self, job: Running, waiting: Awaitable[Any]) -> Any:
        job.awaits_task = True
        try:
            return await waiting
        finally:
            job.awaits_task = False
            # What follows of the attempt, such as publishing its outcome, goes on.
            while job.attempt is not None and job.interruptions:
                job.attempt.uncancel()
                job.interruptions -= 1

    async def _finish(self, job: Running, end: "JobSucceeded | BaseException") -> None:
        request = job.request
        if isinstance(end, JobSucceeded):
            self._brake.succeeded(request.task, probe=request.probe)
            if failpoints.ON:
                failpoints.hit("after_effect")
            await self._send(job, end)
            if failpoints.ON:
                failpoints.hit("after_results")
            return
        if job.drop or (isinstance(end, asyncio.CancelledError) and not job.cancel):
            await self._give_back(job)
            return
        if job.cancel:
            await self._move_or_stop(job)
            return
        if isinstance(end, OtherVersion):
            log.info("attempt.other_version", extra={"task": request.task, "job_id": request.job_id})
            refused = self._tasks[request.task].digest
            await self._move_or_stop(job, give_back(request.job_id, job.version, refused=refused))
            return
        task = self._tasks[request.task]
        verdict = judge(
            end,
            task=task,
            attempt=request.attempt,
            max_attempts=request.max_attempts,
            timed_out=isinstance(end, AttemptTimedOut),
        )
        if not isinstance(verdict, Postpone) and not isinstance(end, JobsOwnFault | JobsOwnTrouble):
            if self._brake.holds(request.task, verdict.error.type) and not request.probe:
                # The task is paused for this very error: the job waits like the others and loses nothing.
                verdict = Postpone(wait=_HELD)
            else:
                self._brake.failed(request.task, verdict.error)
        await self._settle(job, verdict)
        return

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


class AttemptTimedOut(Exception):  # noqa: N818  it is shown to the job's owner
    """The attempt took longer than its timeout."""


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


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = "/".join(str(part) for part in first["loc"])
    return f"/{where}: {first['msg']}"

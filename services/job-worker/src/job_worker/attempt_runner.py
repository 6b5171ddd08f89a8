"""Runs the foreign code of one attempt: its payload's model, its task, its result. Nothing of it gets past here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from msgspec import Raw

from job_contracts.messages import JobSucceeded
from job_worker import background
from job_worker.attempt import AttemptTimedOut, End, EndReason, Running
from job_worker.processes import Processes
from job_worker.results import InvalidPayload, encode_result, read_payload
from job_worker.slots import Turn
from job_worker.tasks import Task, TaskError
from job_worker.tasks.storable import name_of
from job_worker.threads import ABANDONED_AFTER, Threads

log = logging.getLogger(__name__)

_IN_LINE = timedelta(seconds=1)
"""So long a claimed job waits for its slot; after that it may have one elsewhere."""

_ASK_AGAIN = timedelta(seconds=2)
_MAX_ASK_AGAIN: Final = timedelta(seconds=30)
"""A coroutine that has swallowed its cancel is cancelled again after this, then after twice as long, and so on."""


class AttemptRunner:
    """Runs attempts, each under its own timeout.

    Parameters
    ----------
    clock
        Monotonic seconds.
    threads, processes
        Where plain functions run, and what has a process of its own. What is told to end there does: the one
        leaves the thread behind, the other kills the process.
    abandon
        Is called with an attempt whose coroutine does not end although it was told to, again and again.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task],
        clock: Callable[[], float],
        threads: Threads,
        processes: Processes,
        abandon: Callable[[Running], None],
    ) -> None:
        self._tasks, self._clock, self._abandon = tasks, clock, abandon
        self._threads, self._processes = threads, processes
        self.closed = False
        """The worker has done what it could: a cancel is now the end of the process."""

    async def run(self, job: Running) -> End:
        """Wait for a slot, run the task and return how it has ended; nothing that is foreign is raised."""
        task, request = self._tasks[job.request.task], job.request
        began, result = job.started, b""
        try:
            if job.turn is not None:
                if not job.turn.done():
                    await self._in_line(job, job.turn)
                began = self._clock()
            try:
                payload = read_payload(task, bytes(request.payload))
            except InvalidPayload:
                if request.digest is not None and request.digest != task.digest:
                    return End(EndReason.OTHER_VERSION)
                raise
            value = await self._in_time(job, task, payload)
            end = job.end_with(None, is_coroutine=task.is_coroutine)
            if end.reason is EndReason.RETURNED:
                result = encode_result(task, value)
        except BaseException as error:
            if self.closed:
                raise
            end = job.end_with(error, is_coroutine=task.is_coroutine)
        if end.reason is EndReason.TIMED_OUT:
            return End(
                end.reason, error=AttemptTimedOut(f"the attempt took longer than {request.timeout:g} s")
            )
        if end.error is not None:
            _tell(job, end.error)
        if end.reason is not EndReason.RETURNED:
            return end
        outcome = JobSucceeded(
            job_id=request.job_id,
            owner=request.owner,
            version=job.version,
            attempt=request.attempt,
            task=request.task,
            result=Raw(result),
            run_seconds=round(self._clock() - began, 4),
            traceparent=request.traceparent,
        )
        return End(EndReason.RETURNED, outcome=outcome)

    def interrupt(self, job: Running) -> None:
        """Tell the task to end, and again if it goes on."""
        job.interrupt()
        if job.ignores_cancels and job.reminder is None:
            self._remind(job, _ASK_AGAIN.total_seconds(), since=self._clock())

    def _remind(self, job: Running, wait: float, *, since: float) -> None:
        wait = min(wait, _MAX_ASK_AGAIN.total_seconds())
        if not job.abandoned:
            wait = min(wait, max(since + ABANDONED_AFTER.total_seconds() - self._clock(), 0.0))
        job.reminder = asyncio.get_running_loop().call_later(wait, self._ask_again, job, wait, since)

    def _ask_again(self, job: Running, waited: float, since: float) -> None:
        seconds = self._clock() - since
        fields = {"task": job.request.task, "job_id": job.request.job_id, "seconds": round(seconds)}
        log.warning("attempt.does_not_end", extra=fields)
        job.interrupt()
        if seconds >= ABANDONED_AFTER.total_seconds() and not job.abandoned:
            log.error("attempt.abandoned", extra=fields)
            self._abandon(job)
        self._remind(job, 2 * waited, since=since)

    def _time_is_up(self, job: Running) -> None:
        job.late = True
        self.interrupt(job)

    async def _in_line(self, job: Running, turn: Turn) -> None:
        late = asyncio.get_running_loop().call_later(_IN_LINE.total_seconds(), _drop_from_line, job)
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
                job.ignores_cancels = True
                token = background.begin(job.fence)
                try:
                    return await self._interruptible(job, task.function(payload, job.context))
                finally:
                    background.end(token)
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
            job.awaits_task = job.ignores_cancels = False
            if job.reminder is not None:
                job.reminder.cancel()
            if not self.closed and job.attempt is not None and job.attempt.cancelling():
                await job.take_back_cancels()


def _drop_from_line(job: Running) -> None:
    """The jobs before this one were not as short as those before them."""
    log.info("attempt.no_slot", extra={"job_id": job.request.job_id})
    job.drop = True
    job.interrupt()


def _tell(job: Running, error: BaseException) -> None:
    """Log what is no instruction but a bug, with its traceback."""
    if issubclass(type(error), TaskError):
        return
    fields = {"task": job.request.task, "job_id": job.request.job_id, "error": name_of(error)}
    try:
        log.error("task.raised", extra=fields, exc_info=(type(error), error, error.__traceback__))
    except BaseException as unprintable:  # noqa: BLE001  to show it is to run its code
        log.error("task.raised", extra=fields | {"unprintable": name_of(unprintable)})

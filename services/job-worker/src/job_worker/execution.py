"""Runs claimed jobs, each under its own timeout, in at most as many slots as there are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from job_contracts.messages import JobRequested
from job_worker import background
from job_worker.attempt import End, Fence, Running
from job_worker.attempt_recorder import AttemptRecorder
from job_worker.attempt_runner import AttemptRunner
from job_worker.brake import Brake
from job_worker.lanes import Lanes
from job_worker.moving import Moving
from job_worker.outcomes import Outcomes
from job_worker.processes import Processes
from job_worker.tasks import Task, TaskContext
from job_worker.tasks.storable import name_of
from job_worker.threads import Threads
from service_chassis.server import Grace

log = logging.getLogger(__name__)

_TO_GIVE_BACK = timedelta(seconds=3)
_TO_RECORD = timedelta(seconds=1.5)
TO_LEAVE = timedelta(seconds=10)
"""What the end takes after the drain at most: jobs are given back, the lease, Kafka and MongoDB are left."""


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
        self._lanes = lanes
        self._clock, self._now, self._grace = clock, now, grace
        self._running: dict[Fence, Running] = {}
        self._threads = Threads()
        self._runner = AttemptRunner(
            tasks=tasks, clock=clock, threads=self._threads, processes=processes, abandon=self._abandon
        )
        self._recorder = AttemptRecorder(
            tasks=tasks, outcomes=outcomes, moving=moving, brake=brake, retention=retention
        )
        self._recording: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Execution":
        background.bring_home(asyncio.get_running_loop(), self._escaped)
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
        self._runner.closed = True
        for job in leftover:
            if job.awaits_task and not job.abandoned:
                # It does not end. The process will, so nobody else runs beside the next attempt.
                self._abandon(job)
        if self._recording:
            await asyncio.wait(self._recording, timeout=_TO_RECORD.total_seconds())

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
        # Not by the loop's factory, which looks after what tasks start: this one is ours.
        job.attempt = asyncio.Task(self._attempt(job), name=f"{request.task} {request.job_id}")

    def cancel(self, job_id: str, version: int) -> None:
        """End the attempt of a job that a person wants cancelled."""
        job = self._running.get((job_id, version))
        if job is not None and not job.cancel:
            job.cancel = True
            self._runner.interrupt(job)

    def drop(self, which: Callable[[Running], bool]) -> None:
        """End attempts that are no longer ours, or must be given back; no attempt is burnt."""
        for job in [j for j in self._running.values() if which(j)]:
            job.drop = True
            self._runner.interrupt(job)

    def _escaped(self, fence: Fence, error: BaseException) -> None:
        """An asyncio task that an attempt has started has ended in what would have ended the worker."""
        job = self._running.get(fence)
        log.error("task.exit_refused", extra={"job_id": fence[0], "error": name_of(error)})
        if job is not None and job.awaits_task:
            job.escaped = error
            self._runner.interrupt(job)

    async def _attempt(self, job: Running) -> None:
        try:
            try:
                end = await self._runner.run(job)
            except GeneratorExit as error:
                # One that somebody awaited has closed, on its way to here, all that ran in between.
                if self._runner.closed:
                    raise
                end = job.end_with(error, is_coroutine=self._tasks[job.request.task].is_coroutine)
            job.ended = True
            job.lane.slots.took(self._clock() - job.started)
            if not job.abandoned:
                await self._undisturbed(job, partial(self._record, job, end))
        except Exception as error:
            log.exception("attempt.not_recorded", extra={"job_id": job.request.job_id})
            await self._record_refusal(job, error)
        finally:
            self._running.pop(job.fence, None)
            job.lane.slots.release(job.turn)

    async def _record(self, job: Running, end: End) -> None:
        try:
            await self._recorder.note_lines(job)
        except Exception:
            # A log that cannot be stored is no reason to lose the end.
            log.exception("attempt.log_lost", extra={"job_id": job.request.job_id})
        await self._recorder.record(job, end)

    async def _record_refusal(self, job: Running, error: Exception) -> None:
        try:
            await self._undisturbed(job, partial(self._recorder.record_refused, job, error))
        except Exception:
            # The lease is still ours; when `wake_at` of the job is due the dispatcher tries it again.
            log.exception("attempt.lost", extra={"job_id": job.request.job_id})

    async def _undisturbed(self, job: Running, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step of ours, and again if the task still cancels the asyncio task that it ran in."""
        while True:
            try:
                return await step()
            except asyncio.CancelledError:
                if self._runner.closed or job.attempt is None or not job.attempt.cancelling():
                    raise
                await job.take_back_cancels()

    def _abandon(self, job: Running) -> None:
        # Its end is on its way, though the task goes on.
        job.abandoned = job.ended = True
        recording = asyncio.create_task(self._record_abandoned(job), name=f"abandon {job.request.job_id}")
        self._recording.add(recording)
        recording.add_done_callback(self._recording.discard)

    async def _record_abandoned(self, job: Running) -> None:
        try:
            await self._recorder.record_abandoned(job)
        except Exception:
            log.exception("attempt.lost", extra={"job_id": job.request.job_id})

"""What an operator may change about the job worker."""

import os
import platform
from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from job_worker.upstream.circuit import Patience
from service_chassis.settings import HostedImagesSettings, RetentionSection, Section, ServiceSettings, must

CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that this process may use."""


class WorkerSettings(Section):
    """How many jobs at once, and for how long they are ours."""

    concurrency: Annotated[
        int, Field(ge=1, le=10_000, description="Slots: jobs that run at a time; most tasks wait for others")
    ] = 100
    threads: Annotated[
        int,
        Field(
            ge=1,
            le=1_000,
            description="Plain functions that run at a time; as many as cores, since more compute no faster and "
            "take the loop's time. A task that waits for others says `threads` itself",
        ),
    ] = CORES
    processes: Annotated[
        int,
        Field(
            ge=1,
            le=1_000,
            description="Child processes for tasks with isolation: as many as cores, for they compute",
        ),
    ] = CORES
    process_memory: Annotated[
        int,
        Field(
            ge=64 * 1024 * 1024,
            description="Bytes of data a child process may have: room for a large picture or table; a task that "
            "takes more ends alone",
        ),
    ] = 512 * 1024 * 1024
    host: Annotated[str, Field(description="Shown beside the worker's id, to find the machine")] = (
        platform.node()
    )
    lease: Annotated[
        timedelta, Field(description="A worker silent for this long is dead and its jobs run elsewhere")
    ] = timedelta(seconds=10)
    renew_every: Annotated[timedelta, Field(description="A third of the lease: two renewals may be lost")] = (
        timedelta(seconds=3)
    )
    open_within: Annotated[
        timedelta,
        Field(
            description="Longest time for a task's import or resources: what hangs must not keep the others"
        ),
    ] = timedelta(seconds=10)
    hang_limit: Annotated[
        timedelta,
        Field(description="A loop blocked for this long will not come back: the process ends itself"),
    ] = timedelta(seconds=60)
    announce_after: Annotated[
        timedelta,
        Field(description="A job that runs shorter is never announced as running: nobody could see it"),
    ] = timedelta(milliseconds=50)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        must(2 * self.renew_every <= self.lease, "WORKER__LEASE of at least twice WORKER__RENEW_EVERY")
        must(self.hang_limit > self.lease, "WORKER__HANG_LIMIT above WORKER__LEASE")
        return self


class DispatcherSettings(Section):
    """How the one active dispatcher works."""

    tick: Annotated[timedelta, Field(description="How late a due job may be woken")] = timedelta(
        milliseconds=500
    )
    lease: Annotated[timedelta, Field(description="After this another replica takes over")] = timedelta(
        seconds=5
    )
    batch: Annotated[int, Field(ge=1, le=10_000, description="Due jobs handled in one round trip")] = 500

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        must(2 * self.tick <= self.lease, "DISPATCHER__LEASE of at least twice DISPATCHER__TICK")
        return self


class BrakeSettings(Section):
    """When a task pauses itself because its attempts all fail alike."""

    run: Annotated[
        int,
        Field(
            ge=0,
            description="Last attempts of a task that are looked at: few enough to lose little; 0 is off",
        ),
    ] = 20
    ratio: Annotated[
        float,
        Field(
            gt=0.5, le=1, description="Share of them that one error must end; a chance success changes little"
        ),
    ] = 0.9
    within: Annotated[
        timedelta, Field(description="Older attempts do not count: a rare task may fail now and then")
    ] = timedelta(minutes=10)
    probe_after: Annotated[
        timedelta,
        Field(
            description="When one job tries whether the cause is gone; later probes wait twice as long each"
        ),
    ] = timedelta(seconds=30)


class BreakerSettings(Section):
    """When an upstream that does not answer well is left alone for a while."""

    failures: Annotated[
        int,
        Field(
            ge=1, description="Failed calls within that time that open it: fewer than the attempts of a task"
        ),
    ] = 5
    within: Annotated[timedelta, Field(description="Older failures do not count")] = timedelta(minutes=1)
    probe_after: Annotated[
        timedelta,
        Field(description="When one call tries whether it is well again; later ones wait twice as long each"),
    ] = timedelta(seconds=10)
    probe_cap: Annotated[timedelta, Field(description="Longest wait between two such calls")] = timedelta(
        minutes=5
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        must(self.probe_after <= self.probe_cap, "BREAKER__PROBE_CAP of at least BREAKER__PROBE_AFTER")
        return self

    def patience(self) -> Patience:
        """Return them as the breaker takes them."""
        return Patience(
            failures=self.failures, within=self.within, probe_after=self.probe_after, cap=self.probe_cap
        )


class ImagesSettings(HostedImagesSettings):
    """How pictures that are shown from here go again."""

    sweep_every: Annotated[
        timedelta, Field(description="Between two looks for pictures that no result shows any more")
    ] = timedelta(minutes=1)


class RetentionSettings(RetentionSection):
    """How long jobs are kept after their end."""

    cancelled: Annotated[timedelta, Field(description="As for the other final states")] = timedelta(days=7)


class Settings(ServiceSettings):
    """Settings of the job worker, read from `WORKER__CONCURRENCY` and friends."""

    worker: WorkerSettings = WorkerSettings()
    dispatcher: DispatcherSettings = DispatcherSettings()
    brake: BrakeSettings = BrakeSettings()
    breaker: BreakerSettings = BreakerSettings()
    retention: RetentionSettings = RetentionSettings()
    images: ImagesSettings = ImagesSettings()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        must(self.kafka.session_timeout < self.worker.lease, "KAFKA__SESSION_TIMEOUT below WORKER__LEASE")
        return self

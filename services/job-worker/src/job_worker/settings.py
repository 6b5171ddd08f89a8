"""What an operator may change about the job worker."""

import platform
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from service_chassis.settings import Section, ServiceSettings


class WorkerSettings(Section):
    """How many jobs at once, and for how long they are ours."""

    concurrency: Annotated[
        int, Field(ge=1, le=10_000, description="Slots: jobs that run at a time; most tasks wait for others")
    ] = 100
    host: Annotated[str, Field(description="Shown beside the worker's id, to find the machine")] = (
        platform.node()
    )
    lease: Annotated[
        timedelta, Field(description="A worker silent for this long is dead and its jobs run elsewhere")
    ] = timedelta(seconds=10)
    renew_every: Annotated[timedelta, Field(description="A third of the lease: two renewals may be lost")] = (
        timedelta(seconds=3)
    )
    hang_limit: Annotated[
        timedelta,
        Field(description="A loop blocked for this long will not come back: the process ends itself"),
    ] = timedelta(seconds=60)
    announce_after: Annotated[
        timedelta,
        Field(description="A job that runs shorter is never announced as running: nobody could see it"),
    ] = timedelta(milliseconds=50)


class DispatcherSettings(Section):
    """How the one active dispatcher works."""

    tick: Annotated[timedelta, Field(description="How late a due job may be woken")] = timedelta(
        milliseconds=500
    )
    lease: Annotated[timedelta, Field(description="After this another replica takes over")] = timedelta(
        seconds=5
    )
    batch: Annotated[int, Field(ge=1, description="Due jobs handled in one round trip")] = 500


class RetentionSettings(Section):
    """How long jobs are kept after their end."""

    cancelled: Annotated[timedelta, Field(description="As for the other final states")] = timedelta(days=7)


class Settings(ServiceSettings):
    """Settings of the job worker, read from `WORKER__CONCURRENCY` and friends."""

    worker: WorkerSettings = WorkerSettings()
    dispatcher: DispatcherSettings = DispatcherSettings()
    retention: RetentionSettings = RetentionSettings()

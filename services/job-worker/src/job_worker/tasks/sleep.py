"""The task that waits: for trying out progress, cancels, retries and failures."""

import asyncio
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from job_worker.tasks.context import TaskContext
from job_worker.tasks.definition import task
from job_worker.tasks.errors import Reject, Retry


class SleepPayload(BaseModel):
    """How long, and how it shall end."""

    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[float, Field(ge=0, le=86_400, description="How long to sleep")]
    fail: Annotated[
        Literal["reject", "retry"] | None,
        Field(description="End in this failure instead of success: reject fails the job, retry tries again"),
    ] = None
    steps: Annotated[
        int, Field(ge=1, le=1_000, description="How many times to report progress on the way")
    ] = 1


class Slept(BaseModel):
    """How long it slept."""

    slept: float


@task("sleep")
async def sleep(payload: SleepPayload, context: TaskContext) -> Slept:
    """Sleeps for some seconds, reports progress on the way and logs each step."""
    for step in range(payload.steps):
        await asyncio.sleep(payload.seconds / payload.steps)
        if payload.steps > 1:
            context.log(f"slept {payload.seconds / payload.steps:g} s, step {step + 1} of {payload.steps}")
            await context.progress(100 * (step + 1) / payload.steps, f"step {step + 1} of {payload.steps}")
    if payload.fail == "reject":
        raise Reject("it was asked to fail for good")
    if payload.fail == "retry":
        raise Retry("it was asked to fail and be tried again")
    return Slept(slept=payload.seconds)

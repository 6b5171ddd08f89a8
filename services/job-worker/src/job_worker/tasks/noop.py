"""The task that does nothing: for trying out and for measuring everything around it."""

from pydantic import BaseModel, ConfigDict

from job_worker.tasks.context import TaskContext
from job_worker.tasks.definition import task


class Nothing(BaseModel):
    """An empty object."""

    model_config = ConfigDict(extra="forbid")


@task("noop")
async def noop(payload: Nothing, context: TaskContext) -> Nothing:  # noqa: ARG001  that is the point of it
    """Does nothing and succeeds."""
    return payload

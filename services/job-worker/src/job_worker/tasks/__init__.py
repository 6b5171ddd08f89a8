"""What a task is written with: the decorator, its context, and errors that say what happens next."""

from job_worker.tasks.context import TaskContext, TaskEnvironment
from job_worker.tasks.definition import Task, task
from job_worker.tasks.errors import JobsOwnFault, JobsOwnTrouble, RateLimited, Reject, Retry, TaskError

__all__ = [
    "JobsOwnFault",
    "JobsOwnTrouble",
    "RateLimited",
    "Reject",
    "Retry",
    "Task",
    "TaskContext",
    "TaskEnvironment",
    "TaskError",
    "task",
]

"""Tasks that compute, hang and crash, installed beside a worker by `PYTHONPATH`."""

from pathlib import Path
from typing import Final

from tests.support import task_packages

_TASKS: Final = """
import os
import time
from datetime import timedelta

from pydantic import BaseModel

from job_worker.tasks import TaskContext, task


class Work(BaseModel):
    seconds: float = 0
    how: str = ""


def _burn(seconds, clock):
    until = clock() + seconds
    while clock() < until:
        sum(range(1_000))


@task("burn", timeout=timedelta(minutes=5))
def burn(payload: Work, context: TaskContext) -> None:
    # By the clock on the wall: threads share one interpreter, so so much CPU would take each longer.
    _burn(payload.seconds, time.monotonic)


@task("burn.apart", timeout=timedelta(minutes=5), isolation="process")
def burn_apart(payload: Work, context: TaskContext) -> None:
    _burn(payload.seconds, time.thread_time)


@task("hang", threads=50)
def hang(payload: Work, context: TaskContext) -> None:
    if payload.how == "stop":
        next(iter(()))
    time.sleep(payload.seconds)


@task("crash", isolation="process", max_attempts=2)
def crash(payload: Work, context: TaskContext) -> None:
    if payload.how == "abort":
        os.abort()
    if payload.how == "exit":
        os._exit(3)
    time.sleep(payload.seconds)
"""
_ENTRY_POINTS: Final = """
[jobstream.tasks]
burn = heavy_tasks:burn
burn_apart = heavy_tasks:burn_apart
hang = heavy_tasks:hang
crash = heavy_tasks:crash
"""


def install(folder: Path) -> str:
    """Put the tasks into a folder, and return what `PYTHONPATH` must be."""
    task_packages.install(folder, "heavy_tasks", entry_points=_ENTRY_POINTS, modules={"heavy_tasks": _TASKS})
    return str(folder)

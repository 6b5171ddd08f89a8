"""What jobs that compute cost a delayed job beside them, and how long they take by themselves.

In threads each job computes for two seconds by the clock, in processes for two seconds of CPU.
"""

import asyncio
import os
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from jobstream_local.stack import Replicas
from tests.load.report import say
from tests.load.walls import Wall
from tests.support.api import Api
from tests.support.heavy_tasks import install
from tests.support.product import Product

_JOBS: Final = 40
_SECONDS: Final = 2
_DELAY: Final = 5


async def measure() -> list[Wall]:
    """Run the jobs on one worker, in its threads and then in processes of their own."""
    walls: list[Wall] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        product = Product(
            home / "product", replicas=Replicas(), env={"PYTHONPATH": install(home / "packages")}
        )
        async with product.stack, product.api() as api:
            for task, where in (("burn", "threads"), ("burn.apart", "processes")):
                say(f"{_JOBS} jobs of {_SECONDS} s in {where}")
                walls += await _computed(api, task, where)
    return walls


async def _computed(api: Api, task: str, where: str) -> list[Wall]:
    cores = len(os.sched_getaffinity(0))
    began = time.monotonic()
    jobs = [await api.submit(task, {"seconds": _SECONDS}) for _ in range(_JOBS)]
    delayed = await api.submit("noop", delay=_DELAY)
    ends = [await api.finish(job, within=300) for job in jobs]
    took = time.monotonic() - began
    failed = sum(end["state"] != "succeeded" for end in ends)
    await api.finish(delayed, within=30)
    (attempt,) = await api.attempts(delayed)
    view = await api.view(delayed)
    late = _moment(attempt["started_at"]) - _moment(view["created_at"]) - _DELAY
    await asyncio.sleep(0)
    return [
        Wall(f"{_JOBS} jobs of {_SECONDS} s in {where}", took, 1.2 * _JOBS * _SECONDS / cores, "s"),
        Wall(f"of them not succeeded in {where}", failed, 0, "jobs"),
        Wall(f"a delayed job beside them in {where}: late by", late, 1.0, "s"),
    ]


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

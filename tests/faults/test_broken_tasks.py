"""Packages beside the worker that cannot be imported, opened or told apart: the other tasks run."""

from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.conftest import Form
from tests.support import task_packages
from tests.support.api import Api
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

_TASKS: Final = """
import asyncio, pathlib, time
from contextlib import asynccontextmanager
from dataclasses import replace

from pydantic import BaseModel

from job_worker.tasks import TaskContext, task

class Nothing(BaseModel):
    pass

@asynccontextmanager
async def needs_a_key(_):
    yield pathlib.Path({key!r}).read_text()

@asynccontextmanager
async def blocks(_):
    time.sleep(3600)
    yield

@asynccontextmanager
async def hangs(_):
    await asyncio.Event().wait()
    yield

@task("needs.key", max_attempts=1, resources=needs_a_key)
async def needing(payload: Nothing, context: TaskContext) -> str:
    return context.resource

blocking = replace(needing, name="blocks", resources=blocks)
hanging = replace(needing, name="hangs", resources=hangs)
first = replace(needing, name="twice", resources=None)
second = replace(needing, name="twice", resources=None)
"""
_ENTRY_POINTS: Final = """
[jobstream.tasks]
unimportable = broken_tasks_import:task
unknown = broken_tasks:nobody
needing = broken_tasks:needing
blocking = broken_tasks:blocking
hanging = broken_tasks:hanging
first = broken_tasks:first
second = broken_tasks:second
"""


def _install(folder: Path, key: Path) -> None:
    modules = {
        "broken_tasks": _TASKS.replace("{key!r}", repr(str(key))),
        "broken_tasks_import": "import sys\nsys.exit('no licence')\n",
    }
    task_packages.install(folder, "broken_tasks", entry_points=_ENTRY_POINTS, modules=modules)


@pytest.mark.row("F49", promise="a task that cannot be loaded or opened costs no other task anything")
@pytest.mark.timeout(240)
async def test_broken_tasks_are_unavailable_alone_and_run_once_they_can(
    product: Product, api: Api, records: Records, topics: TopicProbe, form: Form, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    _install(tmp_path, key)
    async with product.having("job-worker", PYTHONPATH=str(tmp_path), WORKER__OPEN_WITHIN="1"):

        async def troubles() -> dict[str, Any]:
            tasks = (await api.get("/tasks")).json()["tasks"]
            found = {t["name"]: t["unavailable"][0]["error"] for t in tasks if t["unavailable"]}
            assert found.keys() == {"unimportable", "unknown", "needs.key", "blocks", "hangs", "twice"}, found
            return found

        told = await until(troubles, within=30, what="what cannot be run to be shown")
        assert "no licence" in told["unimportable"]
        assert "FileNotFoundError" in told["needs.key"]
        assert "broken_tasks:first and broken_tasks:second" in told["twice"]
        waiting = [await api.submit("needs.key") for _ in range(3)]
        jobs = [await api.submit("noop") for _ in range(form.at_most(100))]
        for job in jobs:
            assert (await api.finish(job))["state"] == "succeeded"
        assert {r["state"] for r in (await records.jobs(waiting)).values()} <= {"pending", "waiting"}

        key.write_text("open sesame")
        for job in waiting:
            ended = await api.finish(job, within=90)
            assert (ended["state"], ended["attempt"]) == ("succeeded", 1), ended
    await check(product, api.history, records=records, topics=topics)

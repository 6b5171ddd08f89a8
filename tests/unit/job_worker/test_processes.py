"""Tasks in processes of their own, and what none of them can do to the others."""

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psutil
import pytest
from msgspec import Raw

from job_contracts.lifecycle import ErrorKind
from job_worker.processes import ProcessDied, Processes
from job_worker.tasks import Reject, Retry, Task, TaskContext, TaskEnvironment, task
from tests.support.waiting import until_true
from tests.unit.job_worker.crashing import Story, crash, crash_later
from tests.unit.job_worker.fakes import JOB, requested
from tests.unit.job_worker.test_execution import Rig


class Pool:
    """One child at a time."""

    def __init__(self) -> None:
        self.processes = Processes(most=1, memory=1 << 28, tasks=lambda: [crash, crash_later])
        self.context = TaskContext(job_id=JOB, attempt=1)

    async def run(self, what: str, of: Task = crash) -> Any:
        request = requested(payload=Raw(json.dumps({"what": what}).encode()), timeout=30.0)
        process = await self.processes.take()
        try:
            return await process.run(of, request, self.context)
        finally:
            self.processes.give_back(process)


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setenv("MONGO__URI", "mongodb://secret")
    pool = Pool()
    yield pool
    await pool.processes.__aexit__()


async def test_a_child_is_used_again_and_knows_nothing_of_kafka_and_mongodb(pool: Pool) -> None:
    first, second = await pool.run("returns"), await pool.run("returns", crash_later)
    assert first["pid"] == second["pid"]
    # Its own, and two with which its loop wakes itself.
    assert await pool.run("knows") == {"modules": [], "sockets": 3, "names": []}


@pytest.mark.parametrize(
    ("what", "says"),
    [("segfault", "signal SIGSEGV"), ("exit", "exit code 3"), ("garbage", "nobody can read")],
)
async def test_a_child_that_dies_costs_its_attempt_alone(pool: Pool, what: str, says: str) -> None:
    with pytest.raises(ProcessDied, match=says):
        await asyncio.wait_for(pool.run(what), 20)
    assert (await pool.run("returns"))["attempt"] == 1


@pytest.mark.parametrize(
    ("what", "name", "kind"),
    [
        ("sys.exit", "SystemExit", Exception),
        ("memory", "MemoryError", Exception),
        ("reject", "Reject", Reject),
        ("retry", "Retry", Retry),
        ("stop", "StopIteration", Exception),
        ("large", "ResultTooLarge", Reject),
    ],
)
async def test_what_a_task_raises_in_a_child_keeps_its_name_and_its_meaning(
    pool: Pool, what: str, name: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as raised:
        await pool.run(what)
    assert type(raised.value).__name__ == name


@pytest.mark.parametrize("what", ["deaf", "prints", "closes"])
async def test_a_child_that_will_not_end_is_killed(pool: Pool, what: str) -> None:
    running = asyncio.create_task(pool.run(what))
    await asyncio.wait([running], timeout=1)
    running.cancel()
    with pytest.raises((asyncio.CancelledError, ProcessDied)):  # on a quick machine it is found out before
        await asyncio.wait_for(running, 10)
    assert (await pool.run("returns"))["attempt"] == 1


async def test_progress_log_and_cancel_go_across(pool: Pool) -> None:
    running = asyncio.create_task(pool.run("tells"))
    seen: list[Any] = []

    def told() -> bool:
        seen.append(pool.context.take_progress())
        return any(seen)

    await until_true(told, within=10, what="progress")
    assert [line["message"] for line in pool.context.take_lines()] == ["a line"]
    running.cancel()
    assert await asyncio.wait_for(running, 10) == "heeded"


async def test_a_coroutine_in_a_child_is_cancelled_and_the_child_used_again(pool: Pool) -> None:
    pid = (await pool.run("returns"))["pid"]
    running = asyncio.create_task(pool.run("sleeps", crash_later))
    await asyncio.wait([running], timeout=0.3)
    running.cancel()
    with pytest.raises(BaseException):  # noqa: B017, PT011  the child's own word, or ours
        await asyncio.wait_for(running, 10)
    assert (await pool.run("returns"))["pid"] == pid


@pytest.mark.parametrize("what", ["thread", "grandchild"])
async def test_what_a_task_leaves_running_ends_with_its_child(pool: Pool, what: str) -> None:
    left = (await pool.run(what))["pid"]
    await until_true(
        lambda: not psutil.pid_exists(left) or psutil.Process(left).status() == "zombie",
        within=10,
        what="it to end",
    )


async def test_children_end_with_a_worker_that_is_killed() -> None:
    story = """
        import asyncio
        from tests.unit.job_worker.test_processes import Pool

        async def main():
            pool = Pool()
            print((await pool.run("returns"))["pid"], flush=True)
            await pool.run("deaf")

        asyncio.run(main())
    """
    worker = subprocess.Popen(  # noqa: ASYNC220  it is quick
        [sys.executable, "-c", textwrap.dedent(story)], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    child = int(await asyncio.to_thread(worker.stdout.readline))
    worker.kill()
    worker.wait()
    worker.stdout.close()
    await until_true(
        lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie",
        within=10,
        what="the child to end",
    )


def test_a_task_that_no_child_could_run_is_refused_where_it_is_declared() -> None:
    def nested(payload: Story, context: TaskContext) -> None:
        pass

    def opened(_: TaskEnvironment) -> Any:
        return None

    with pytest.raises(ValueError, match="top of a module"):
        task("it", isolation="process")(nested)
    with pytest.raises(ValueError, match="no resources"):
        task("it", isolation="process", resources=opened)(crash.function)
    with pytest.raises(ValueError, match="isolation is 'process' or nothing"):
        task("it", isolation="thread")(crash.function)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "kind", "error"),
    [("segfault", ErrorKind.EXHAUSTED, "ProcessDied"), ("deaf", ErrorKind.TIMED_OUT, "AttemptTimedOut")],
)
async def test_an_attempt_in_a_child_ends_as_what_ended_it(what: str, kind: ErrorKind, error: str) -> None:
    rig = Rig(replace(crash, name="it"))
    await rig.run(payload=Raw(json.dumps({"what": what}).encode()), timeout=2.0, max_attempts=1)
    assert (rig.letter.kind, rig.letter.error.type) == (kind, error)
    assert rig.lanes.processes.slots.busy == 0
    assert rig.slots.busy == 0

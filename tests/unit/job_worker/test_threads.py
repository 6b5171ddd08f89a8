"""Plain functions in threads, and what none of them can do to the others."""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta
from typing import Any

import pytest

from job_worker.threads import Threads
from tests.support.waiting import until_true


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [StopIteration(3), StopAsyncIteration(), Odd(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()],
)
async def test_whatever_a_function_raises_comes_out_and_frees_its_thread(error: BaseException) -> None:
    def raises() -> None:
        raise error

    threads = Threads()
    with pytest.raises(BaseException) as raised:  # noqa: PT011  it is looked at below
        await threads.run("j", raises)
    assert type(raised.value).__name__ == type(error).__name__
    assert not threads.living
    assert await threads.run("j", lambda: 1) == 1


async def test_a_cancelled_error_of_the_function_itself_comes_out_at_once() -> None:
    def raises() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(Threads().run("j", raises), 5)


class Stubborn:
    """A function that runs on until it may end."""

    def __init__(self) -> None:
        self.began, self.release = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        self.release.wait(20)
        return "done"


async def _begun(threads: Threads, stubborn: Stubborn) -> asyncio.Task[Any]:
    running = asyncio.create_task(threads.run("j", stubborn))
    await until_true(stubborn.began.is_set, within=5, what="the function to begin")
    return running


async def test_a_function_that_returns_after_a_cancel_is_waited_for() -> None:
    stubborn, threads = Stubborn(), Threads()
    running = await _begun(threads, stubborn)
    running.cancel()
    await asyncio.sleep(0)
    stubborn.release.set()
    assert await running == "done"


async def test_a_function_that_never_heeds_is_abandoned_and_others_have_a_thread() -> None:
    stubborn, threads = Stubborn(), Threads(abandoned_after=timedelta(seconds=0.05))
    running = await _begun(threads, stubborn)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert threads.living == {"j": 1}
    assert threads.abandoned == 1
    assert await asyncio.wait_for(threads.run("other", lambda: 2), 5) == 2
    stubborn.release.set()
    await until_true(lambda: not threads.living, within=5, what="the thread to come back")
    assert threads.abandoned == 0


async def test_a_second_cancel_abandons_at_once() -> None:
    stubborn, threads = Stubborn(), Threads()
    running = await _begun(threads, stubborn)
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert threads.abandoned == 1
    stubborn.release.set()


async def test_threads_are_used_again() -> None:
    threads = Threads()
    seen = {await threads.run(f"j{n}", threading.get_ident) for n in range(10)}
    assert len(seen) == 1


def test_a_busy_thread_does_not_keep_the_process() -> None:
    story = """
        import asyncio, time
        from job_worker.threads import Threads

        async def main():
            threads = Threads()
            running = asyncio.create_task(threads.run("j", time.sleep, 60))
            await asyncio.sleep(0.1)
            threads.hurry()
            running.cancel()
            await asyncio.wait([running])

        asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(story)], timeout=30, check=False, env=dict(os.environ)
    )
    assert ended.returncode == 0

"""Real processes, since it is the kernel's behaviour that is relied on."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jobstream_local.process import Process


def until(condition: Callable[[], bool], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = _process(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    yield process
    process.signal(signal.SIGKILL)


def _process(folder: Path, code: str) -> Process:
    command = [sys.executable, "-c", code]
    return Process("it", lambda: command, log=folder / "logs/it.log", env=lambda: os.environ, cwd=folder)


async def test_it_starts_ends_and_starts_again(sleeper: Process) -> None:
    sleeper.start()
    first = sleeper.pid
    assert sleeper.alive
    await sleeper.stop(grace=5)
    assert (sleeper.pid, sleeper.exit_code) == (None, -signal.SIGTERM)
    sleeper.start()
    assert sleeper.pid not in {None, first}
    assert sleeper.starts == 2


async def test_one_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    deaf = _process(
        tmp_path,
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
    )
    deaf.start()
    until(lambda: "up" in deaf.tail())
    await deaf.stop(grace=0.1)
    assert deaf.exit_code == -signal.SIGKILL


async def test_a_frozen_one_is_alive_and_can_still_be_stopped(sleeper: Process) -> None:
    sleeper.start()
    sleeper.pause()
    assert sleeper.pid
    until(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED)
    assert sleeper.alive
    await sleeper.stop(grace=5)
    assert sleeper.exit_code == -signal.SIGTERM


def test_a_child_started_by_a_thread_outlives_that_thread(sleeper: Process) -> None:
    thread = threading.Thread(target=sleeper.start)
    thread.start()
    thread.join()
    until(lambda: "up" in sleeper.tail())  # it had all the time of its own start to be killed in
    assert sleeper.alive


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import os, pathlib, sys, time
                from jobstream_local.process import Process
                here = pathlib.Path.cwd()
                child = Process("c", lambda: ["sleep", "60"], log=here / "c.log", env=lambda: os.environ, cwd=here)
                child.start()
                print(child.pid, flush=True)
                time.sleep(60)
            """),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_log_that_grew_too_large_is_put_aside(sleeper: Process) -> None:
    sleeper.log.parent.mkdir()
    with sleeper.log.open("wb") as log:
        log.truncate(21 * 1024 * 1024)
    sleeper.start()
    assert sleeper.log.stat().st_size < 1000
    assert sleeper.log.with_suffix(".old.log").exists()

"""Tasks for processes of their own: what a child can do to itself."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from job_worker.tasks import Reject, Retry, TaskContext, task


class Story(BaseModel):
    """What it does."""

    what: str = "returns"


_IN_WAIT = "import time; time.sleep(60)"


def _do(what: str, context: TaskContext) -> Any:  # noqa: C901  one story after the other
    match what:
        case "returns":
            return {"pid": os.getpid(), "attempt": context.attempt}
        case "knows":
            known = [n for n in sys.modules if n.partition(".")[0] in {"pymongo", "aiokafka", "bson"}]
            sockets = [n for n in Path("/proc/self/fd").iterdir() if "socket" in _link(n)]
            names = [n for n in os.environ if n.startswith(("KAFKA", "MONGO"))]
            return {"modules": known, "sockets": len(sockets), "names": names}
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(4)
        case "memory":
            return len(bytearray(1 << 30))
        case "reject":
            raise Reject("no")
        case "retry":
            raise Retry("later")
        case "stop":
            next(iter([]))
        case "large":
            return "x" * 600_000
        case "garbage":
            for fd in range(3, 64):
                with contextlib.suppress(OSError):
                    os.write(fd, b"\xff" * 4096)
            time.sleep(60)
        case "closes":
            os.closerange(3, 64)
            time.sleep(60)
        case "prints":
            while True:
                os.write(1, b"x" * 65536)
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                with contextlib.suppress(BaseException):
                    time.sleep(60)
        case "thread":
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            return {"pid": os.getpid()}
        case "grandchild":
            return {"pid": subprocess.Popen([sys.executable, "-c", _IN_WAIT]).pid}
        case "tells":
            context.report(50, "half")
            context.log("a line", "warning")
            time.sleep(0.5)
            while not context.cancelled:
                time.sleep(0.01)
            return "heeded"
    return None


def _link(path: Path) -> str:
    with contextlib.suppress(OSError):
        return str(path.readlink())
    return ""


@task("crash", isolation="process")
def crash(payload: Story, context: TaskContext) -> Any:
    """Does as it is told."""
    return _do(payload.what, context)


@task("crash-later", isolation="process")
async def crash_later(payload: Story, context: TaskContext) -> Any:
    """Does the same in a coroutine."""
    if payload.what == "sleeps":
        await asyncio.sleep(60)
    return _do(payload.what, context)

"""The process of a task with `isolation="process"`: it knows the task and one socket, nothing of Kafka and MongoDB.

`python -m job_worker.child <descriptor> <parent's pid> <bytes of memory>`. Frames are four bytes of length, then JSON.
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import importlib
import os
import resource
import signal
import socket
import struct
import sys
import threading
from functools import reduce
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import msgspec

from job_worker.results import encode_result
from job_worker.tasks.context import TaskContext
from job_worker.tasks.definition import Task, task
from job_worker.tasks.errors import JobsOwnFault, JobsOwnTrouble, RateLimited, Reject, Retry
from job_worker.tasks.storable import MESSAGE_LIMIT, name_of, text_of

HEAD: Final = struct.Struct(">I")
KINDS: Final = (RateLimited, JobsOwnTrouble, Retry, JobsOwnFault, Reject)
"""What a task raises to say what happens next, the narrower ones first."""

_TELL_EVERY: Final = 0.2
_OURS: Final = 3
"""Threads there are without a task's own: the main one, who listens, who tells."""

_PR_SET_PDEATHSIG: Final = 1


def frame(**fields: Any) -> bytes:
    """Return a frame."""
    body = msgspec.json.encode(fields)
    return HEAD.pack(len(body)) + body


class Child:
    """Runs one job after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._jobs: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._context: TaskContext | None = None
        self._run = ""
        self._cancel: Any = None

    def serve(self) -> None:
        """Live until the parent is gone."""
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._tell_for_ever, daemon=True).start()
        with asyncio.Runner() as runner:
            while True:
                said = self._jobs.get()
                if "load" in said:
                    for reference in said["load"]:
                        with contextlib.suppress(Exception):  # it is told to the job that needs it
                            find(reference)
                    self._send(ready=True)
                else:
                    self._work(runner, said)

    def _work(self, runner: asyncio.Runner, job: dict[str, Any]) -> None:
        context = TaskContext(
            job_id=job["job_id"],
            attempt=job["attempt"],
            owner=job["owner"],
            timeout=job["timeout"],
            traceparent=job["traceparent"],
        )
        self._run, self._context, end = job["run"], context, dict[str, Any]()
        spoilt = False
        try:
            found = find(job["reference"])
            payload = found.payload.model_validate_json(job["payload"])
            value = (
                runner.run(self._awaited(found, payload, context))
                if found.is_coroutine
                else found.function(payload, context)
            )
            end["result"] = encode_result(found, value).decode()
            end["whole"] = context.is_whole
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the end of this attempt alone
            spoilt = isinstance(error, MemoryError)
            end["error"] = told(error)
        self._tell()
        self._context = None
        self._send(run=job["run"], end=end, spoilt=spoilt or self._has_leftovers())

    async def _awaited(self, found: Task, payload: Any, context: TaskContext) -> Any:
        running, loop = asyncio.current_task(), asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(running.cancel) if running else None
        try:
            if context.cancelled:
                raise asyncio.CancelledError
            return await found.function(payload, context)
        finally:
            self._cancel = None

    @staticmethod
    def _has_leftovers() -> bool:
        """Whether the task has left threads or processes behind."""
        children = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
        return threading.active_count() > _OURS or any(children)

    def _listen(self) -> None:
        with self._sock.makefile("rb") as incoming:
            while len(head := incoming.read(HEAD.size)) == HEAD.size:
                said = msgspec.json.decode(incoming.read(*HEAD.unpack(head)))
                if said.get("cancel"):
                    if (context := self._context) is not None and said["cancel"] == self._run:
                        context.cancelled = True
                        if (cancel := self._cancel) is not None:
                            cancel()
                else:
                    self._jobs.put(said)
        os.killpg(0, signal.SIGKILL)  # the worker is gone: nobody waits for us or for what we have started

    def _tell_for_ever(self) -> None:
        while True:
            threading.Event().wait(_TELL_EVERY)
            with contextlib.suppress(Exception):
                self._tell()

    def _tell(self) -> None:
        if (context := self._context) is None:
            return
        progress, lines = context.take_progress(), context.take_lines()
        if progress or lines:
            said = [(line["message"], line["level"]) for line in lines]
            self._send(run=self._run, progress=progress, lines=said)

    def _send(self, **fields: Any) -> None:
        with self._sending:
            self._sock.sendall(frame(**fields))


def find(reference: str) -> Task:
    """Return the task that stands, or whose function stands, at `module:name`."""
    module, _, name = reference.partition(":")
    found: Any = reduce(getattr, name.split("."), importlib.import_module(module))
    return found if isinstance(found, Task) else task("it")(found)


def told(error: BaseException) -> dict[str, Any]:
    """Return an error as it goes to the parent."""
    kind = next((kind for kind in KINDS if issubclass(type(error), kind)), None)
    wait = getattr(error, "until" if kind is RateLimited else "after", None) if kind else None
    return {
        "name": name_of(error),
        "message": text_of(error, limit=MESSAGE_LIMIT),
        "kind": kind.__name__ if kind else "",
        "wait": wait.total_seconds() if wait is not None else None,
    }


def confine(parent: int, memory: int) -> None:
    """End with the worker, be the first to go when memory is short, and leave the loop its time."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != parent:
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    faulthandler.enable()


def main() -> None:
    """Serve the parent."""
    descriptor, parent, memory = map(int, sys.argv[1:4])
    os.set_inheritable(descriptor, False)
    confine(parent, memory)
    Child(socket.socket(fileno=descriptor)).serve()


if __name__ == "__main__":
    main()

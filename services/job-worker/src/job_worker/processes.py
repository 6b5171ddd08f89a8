"""Runs tasks in child processes, reused, each of which may die without costing more than its attempt."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec

from job_contracts.messages import JobRequested
from job_worker.child import HEAD, KINDS, frame
from job_worker.tasks import RateLimited, Retry, Task, TaskContext

log = logging.getLogger(__name__)

_LARGEST: Final = 4 * 1024 * 1024
_TO_START: Final = 60.0
_TO_END: Final = 1.0
"""Seconds between being told to end and being killed."""

_PACE: Final = 0.02
"""Seconds between two frames, or two pieces of output: a child that floods its pipes waits, and nobody else."""

_HIDDEN: Final = ("KAFKA__", "MONGO__", "FAILPOINT")
_SIGNALS: Final = {number.value: number.name for number in signal.Signals}


class ProcessDied(Exception):  # noqa: N818  it is shown to the job's owner
    """The process of an attempt ended before the attempt did."""


class Process:
    """One child."""

    def __init__(self, memory: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.died: asyncio.Future[int] = self._loop.create_future()
        self._is_killed = False
        self._ours, theirs = socket.socketpair()
        # From the loop's own thread: the kernel ends a child with the thread that made it.
        command = [sys.executable, "-m", "job_worker.child"]
        with theirs:
            self._popen = subprocess.Popen(  # noqa: S603  it is our own
                [*command, str(theirs.fileno()), str(os.getpid()), str(memory)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={k: v for k, v in os.environ.items() if not k.upper().startswith(_HIDDEN)},
                start_new_session=True,
            )
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        for target in (self._watch, self._listen):
            threading.Thread(target=target, name=f"child-{self._popen.pid}", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether it can take a job."""
        return not (self._is_killed or self.died.done())

    async def start(self, references: Iterable[str]) -> None:
        """Wait until it has imported these tasks."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._ours)
        self._writer.write(frame(load=list(references)))
        ready = asyncio.create_task(self._frame(), name="child starts")
        try:
            async with asyncio.timeout(_TO_START):
                await self._unless_dead(ready)
        finally:
            ready.cancel()

    async def run(self, task: Task, request: JobRequested, context: TaskContext) -> Any:
        """Return what the task returns there, or raise what it raises."""
        run = uuid4().hex
        job = {key: getattr(request, key) for key in ("job_id", "attempt", "owner", "timeout", "traceparent")}
        payload = bytes(request.payload).decode()
        self._writer.write(frame(run=run, reference=task.reference, payload=payload, **job))
        ending = asyncio.create_task(self._end(run, context), name=f"child {request.job_id}")
        try:
            end = await self._unless_dead(ending)
        except asyncio.CancelledError:
            self._writer.write(frame(cancel=run))
            waits: list[asyncio.Future[Any]] = [ending, self.died]
            await asyncio.wait(waits, timeout=_TO_END, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done() or ending.exception() is not None:
                raise
            end = ending.result()
        finally:
            if not ending.done() or ending.exception() is not None:
                self.kill()
            ending.cancel()
        if end.get("error"):
            raise _raised(**end["error"])
        if end["whole"]:
            context.finished()
        return task.result.validate_json(end["result"])

    async def _end(self, run: str, context: TaskContext) -> dict[str, Any]:
        try:
            while True:
                said = await self._frame()
                if said.get("run") != run:
                    continue
                if "end" in said:
                    if said["spoilt"]:
                        self.kill()
                    return dict(said["end"])
                if said["progress"]:
                    context.report(*said["progress"])
                for message, level in said["lines"]:
                    context.log(message, level)
                await asyncio.sleep(_PACE)
        except (OSError, EOFError, ProcessDied):
            raise
        except Exception as error:
            raise ProcessDied("the process wrote what nobody can read, and was ended") from error

    async def _frame(self) -> dict[str, Any]:
        (size,) = HEAD.unpack(await self._reader.readexactly(HEAD.size))
        if size > _LARGEST:
            raise ProcessDied("the process wrote what nobody can read, and was ended")
        return msgspec.json.decode(await self._reader.readexactly(size), type=dict[str, Any])

    async def _unless_dead(self, waits: asyncio.Task[dict[str, Any]]) -> dict[str, Any]:
        both: list[asyncio.Future[Any]] = [waits, self.died]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not waits.done():
            # What it has written before its death is still to be read.
            await asyncio.wait([waits], timeout=0.2)
        if waits.done() and not isinstance(waits.exception(), OSError | EOFError):
            return waits.result()
        self.kill()
        code = await self.died
        how = f"signal {_SIGNALS.get(-code, -code)}" if code < 0 else f"exit code {code}"
        raise ProcessDied(f"the process of this attempt ended with {how}")

    def kill(self) -> None:
        """End it, and what it has started."""
        if self.is_alive:
            self._is_killed = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)

    def _watch(self) -> None:
        """Wait for its death, in a thread; what it has started goes while its number is still taken."""
        os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._tell(self._popen.wait())

    def _tell(self, code: int) -> None:
        def told() -> None:
            self.died.set_result(code)
            self._writer.close() if hasattr(self, "_writer") else self._ours.close()

        with contextlib.suppress(RuntimeError):  # the loop is closed when the worker ends
            self._loop.call_soon_threadsafe(told)

    def _listen(self) -> None:
        """Put what it prints into the log, in a thread, and no faster than the log takes it."""
        assert self._popen.stdout is not None  # noqa: S101  it is a pipe
        with self._popen.stdout as output:
            while piece := os.read(output.fileno(), 4096):
                text = piece.decode(errors="replace").strip()
                log.info("child.output", extra={"child": self._popen.pid, "text": text})
                time.sleep(_PACE)


def _raised(*, name: str, message: str, kind: str, wait: float | None) -> Exception:
    """Return an error as it was raised in a child."""
    of = next((known for known in KINDS if known.__name__ == kind), None)
    raised: Callable[..., Exception] = type(name, (of or Exception,), {})
    if of is RateLimited:
        return raised(message, until=timedelta(seconds=wait or 0))
    if of is not None and issubclass(of, Retry):
        return raised(message, after=None if wait is None else timedelta(seconds=wait))
    return raised(message)


class Processes:
    """The children of a worker: as many as run at a time, started before they are wanted.

    Parameters
    ----------
    memory
        Bytes of data that a child may have.
    """

    def __init__(self, *, most: int, memory: int, tasks: Callable[[], Iterable[Task]]) -> None:
        self._most, self._memory, self._tasks = most, memory, tasks
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self._warming: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Processes":
        if self._references():
            self._warming = asyncio.create_task(self._warm(), name="children")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._warming is not None:
            self._warming.cancel()
        for process in self._all:
            process.kill()

    async def take(self) -> Process:
        """Return a child that does nothing yet."""
        while self._idle:
            if (process := self._idle.pop()).is_alive:
                return process
        return await self._started()

    def give_back(self, process: Process) -> None:
        """Let the next job have it."""
        if process.is_alive:
            self._idle.append(process)

    async def _started(self) -> Process:
        process = Process(self._memory)
        self._all.add(process)
        process.died.add_done_callback(lambda _: self._all.discard(process))
        try:
            await process.start(self._references())
        except BaseException:
            process.kill()
            raise
        return process

    def _references(self) -> list[str]:
        return [task.reference for task in self._tasks() if task.isolation == "process"]

    async def _warm(self) -> None:
        for _ in range(self._most):
            try:
                self.give_back(await self._started())
            except (ProcessDied, TimeoutError) as error:
                log.warning("child.not_started", extra={"reason": str(error)})

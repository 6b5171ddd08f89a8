"""One child process: it starts, stops, freezes or is killed, and it never outlives the process that started it."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psutil

_PR_SET_PDEATHSIG: Final = 1

_LOG_LIMIT: Final = 20 * 1024 * 1024
"""A larger log is put aside at the next start; one older one is kept."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""The one thread that starts children.

Linux sends the death signal when the *thread* that forked ends, not when its process does: a child started from a
thread of some pool would be killed with that thread. This one lives as long as the process.
"""


def die_with(parent: int, sig: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel signal this process when its parent ends, however it ends (Linux; elsewhere nothing happens).

    Parameters
    ----------
    parent
        Who the parent is meant to be; if it has ended already, this process ends now.
    sig
        What to send.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(sig))
    if os.getppid() != parent:
        os._exit(1)


def spawn(
    command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path
) -> "subprocess.Popen[bytes]":
    """Start a child in a session of its own, tied to the life of this process, writing to `log`."""
    parent = os.getpid()

    def start() -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C in a terminal must reach the launcher alone: it knows the order
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 -- one system call, its library loaded before the fork
            )

    return _spawner.submit(start).result()


class Process:
    """A command that may be started again and again under one name.

    Methods that wait are coroutines of any event loop: nothing here belongs to one.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[], Sequence[str]],
        *,
        log: Path,
        env: Callable[[], Mapping[str, str]],
        cwd: Path,
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.started_at = 0.0
        self._command = command
        self._env = env
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether it runs (a frozen one does)."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs or before its first start."""
        return self._child.poll() if self._child else None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.alive:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".old.log"))
        self._child = spawn(self._command(), log=self.log, env=self._env(), cwd=self._cwd)
        self.starts += 1
        self.started_at = time.time()

    def signal(self, sig: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self._child and self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(sig)

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it holds its connections and answers nothing, once this returns."""
        self.signal(signal.SIGSTOP)
        # The signal takes effect when a thread of it is scheduled: on a busy machine an answer may come before.
        while (pid := self.pid) and psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self.signal(signal.SIGCONT)

    async def stop(self, *, grace: float) -> None:
        """Ask it to end (SIGTERM), and kill it after `grace` seconds."""
        self.resume()
        self.signal(signal.SIGTERM)
        if not await self.ended(within=grace):
            await self.kill()

    async def kill(self) -> None:
        """End it without asking (SIGKILL)."""
        self.signal(signal.SIGKILL)
        if not await self.ended(within=10):
            msg = f"{self.name} (pid {self.pid}) does not die"
            raise RuntimeError(msg)

    async def ended(self, *, within: float) -> bool:
        """Wait until it has ended; False when it still runs after `within` seconds."""
        deadline = time.monotonic() + within
        while self.alive:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    def tail(self, lines: int = 15) -> str:
        """The end of its log, for a person who asks why it died."""
        try:
            text = self.log.read_bytes()[-20_000:].decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

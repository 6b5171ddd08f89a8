"""What a running launcher leaves on disk for `status`, `logs` and `down`: who it is, and who its parts are.

The truth about "does one run" is a lock that the kernel drops with its owner; the file is only what it says. So a file
left by a launcher that was killed is in nobody's way.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class RunningError(RuntimeError):
    """Another launcher runs in this home."""


@dataclass(frozen=True, slots=True)
class PartState:
    """One part as its launcher knows it."""

    name: str
    pid: int | None
    ports: dict[str, int]
    probe: str
    restarts: int


@dataclass(frozen=True, slots=True)
class State:
    """A launcher and its parts. `phase` is `starting`, `up` or `stopping`."""

    pid: int
    phase: str
    api_url: str = ""
    web_url: str = ""
    parts: list[PartState] = field(default_factory=list)


class Home:
    """The folder of a stack: data, logs, state."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._state = self.path / "state.json"

    @contextlib.contextmanager
    def own(self, patience: float = 0) -> Iterator[None]:
        """Be the one launcher of this home.

        Raises
        ------
        RunningError
            There is one already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / "launcher.lock", os.O_RDWR | os.O_CREAT)
        deadline = time.monotonic() + patience
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        state = self.read()
                        msg = f"it runs already{f' as pid {state.pid}' if state else ''}: `make status`, `make down`"
                        raise RunningError(msg) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)

    def owned(self) -> bool:
        """Whether a launcher runs."""
        try:
            with self.own():
                return False
        except RunningError:
            return True

    def write(self, state: State) -> None:
        """Replace the state at once: a reader sees the old one or the new one."""
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(asdict(state), indent=1))
        part.replace(self._state)

    def read(self) -> State | None:
        """The last state written, whoever wrote it."""
        try:
            data: dict[str, Any] = json.loads(self._state.read_text())
            return State(**{**data, "parts": [PartState(**part) for part in data["parts"]]})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def forget(self) -> None:
        """Drop the state."""
        self._state.unlink(missing_ok=True)

"""Who starts a part again when it died, as `restart: always` does in Compose."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from jobstream_local.part import Part

_BACK_OFF: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds of waiting before each start in a row; a life of 30 s ends the row."""


class Supervisor:
    """Watches parts from a thread, so that it works whatever event loop the parts are driven from."""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        self._parts = parts
        self._say = say
        self._on = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._deaths: dict[str, int] = {}
        self._due: dict[str, float] = {}

    @property
    def on(self) -> bool:
        """Whether the dead are brought back."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        for part in self._parts:
            part.comes_back = on
        if on and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Bring nobody back any more; returns when no start is under way."""
        self.on = False
        self._ended.set()
        if self._thread:
            self._thread.join()
        self._thread = None
        self._ended = threading.Event()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            for part in self._parts:
                if self._on and part.expected and part.process.starts and not part.process.alive:
                    self._bring_back(part)
                else:
                    self._due.pop(part.name, None)

    def _bring_back(self, part: Part) -> None:
        process = part.process
        if part.name not in self._due:
            if time.time() - process.started_at > _BACK_OFF[-1]:
                self._deaths.pop(part.name, None)
            died = self._deaths.get(part.name, 0)
            pause = _BACK_OFF[min(died, len(_BACK_OFF) - 1)]
            self._deaths[part.name] = died + 1
            self._due[part.name] = time.monotonic() + pause
            self._say(
                f"{part.name} ended with exit code {process.exit_code}; starting it again in {pause:g} s"
            )
        elif time.monotonic() >= self._due[part.name]:
            del self._due[part.name]
            process.start()

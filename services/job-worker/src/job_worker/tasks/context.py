"""What a running task may ask of its surroundings."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from job_contracts.record import LOGS_KEPT
from job_worker.tasks.storable import percent_of, text_of

if TYPE_CHECKING:
    # It raises the errors of tasks, so at run time it comes after them.
    from job_worker.upstream.upstreams import Upstreams

Level = Literal["debug", "info", "warning", "error"]

_LEVELS: Final = frozenset(get_args(Level))

_MESSAGE_LIMIT: Final = 200

LINE_LIMIT: Final = 1024
"""Bytes of a line of a job's log; what is longer is cut."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnvironment:
    """What resources of a task are built from, once per worker.

    Parameters
    ----------
    collection
        Gives a MongoDB collection by name; writes are journaled by a majority.
    now
        The server's time.
    upstreams
        Opens others' services: their quota and their breaker are shared by all workers.
    """

    collection: Callable[[str], Any]
    now: Callable[[], datetime]
    upstreams: "Upstreams"


@dataclass(slots=True, kw_only=True)
class TaskContext:
    """One attempt, as its task sees it.

    Parameters
    ----------
    job_id, attempt
        Which job, and the number of this attempt from 1. Together they make an
        idempotency key for upstream calls.
    owner
        Whose job it is: what is scarce is shared out among owners.
    now
        The time that stands before each line of the log.
    resource
        What the task's `resources` opened when the worker started; None without.
    timeout
        Seconds from its start after which the attempt is cancelled; None if nobody set a limit.
    traceparent
        W3C trace context of the request that made the job, as it came: a text to be checked.
    """

    job_id: str
    attempt: int
    owner: str = "default"
    resource: Any = None
    timeout: float | None = None
    traceparent: str | None = None
    cancelled: bool = False
    """True once a person asked for a cancel or the worker stops: a thread should look at it and end."""
    now: Callable[[], datetime] = _now
    _progress: tuple[float, str | None] | None = field(default=None)
    _whole: bool = False
    _lines: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LOGS_KEPT))

    def finished(self) -> None:
        """Say that what the task returns is whole, although it was told to end.

        Without this word an attempt that was interrupted, by its timeout, a cancel or the worker's end, ends as
        that whatever it returns: half the work would count as done.
        """
        self._whole = True

    @property
    def is_whole(self) -> bool:
        """Whether the task has said so."""
        return self._whole

    async def progress(self, percent: float, message: str | None = None) -> None:
        """Tell watchers how far the attempt is, from 0 to 100; the newest at most twice a second is stored.

        Any real number will do, what is none raises TypeError; of the message 200 characters are kept.
        """
        self.report(percent, message)

    def report(self, percent: float, message: str | None = None) -> None:
        """Do as `progress` does, from a plain function that runs in a thread."""
        said = text_of(message, limit=_MESSAGE_LIMIT) if message is not None else None
        self._progress = (percent_of(percent), said)

    def take_progress(self) -> tuple[float, str | None] | None:
        """Return what was reported since the last call, if anything."""
        newest, self._progress = self._progress, None
        return newest

    def log(self, message: str, level: Level = "info") -> None:
        """Write a line into the log of the job, for whoever looks at `GET /jobs/{id}/logs`.

        The last 100 lines of all attempts are kept, of each the first KiB. It never waits and
        may be called from a thread; lines are stored twice a second and when the attempt ends.
        What is no text is shown as `str` has it, and an unknown level is `info`.
        """
        text = text_of(message, limit=LINE_LIMIT).encode()[:LINE_LIMIT].decode(errors="ignore")
        known = text_of(level, limit=_MESSAGE_LIMIT)
        known = known if known in _LEVELS else "info"
        self._lines.append({"at": self.now(), "attempt": self.attempt, "level": known, "message": text})

    def take_lines(self) -> list[dict[str, Any]]:
        """Return the lines that were written since the last call."""
        lines: list[dict[str, Any]] = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines

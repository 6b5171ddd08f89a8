"""Keeps back, under load, what is soon out of date: that a job is pending (docs/adr/0019-overtaken-news.md)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from job_contracts.views import Record
from service_chassis.metrics import Metrics

FEW: Final = 16
"""Pending jobs of which everybody is told at once."""

_MOST: Final = 3_000
"""Announcements kept at most; of more jobs everybody is told at once."""

_KEPT: Final = timedelta(seconds=1)
_EVERY: Final = timedelta(milliseconds=100)
"""How often what has been kept for long enough is looked for."""

_DIGITS: Final = 16
"""Those of the largest version there may be."""

News = tuple[Record, bytes | None]
"""A job as it is stored, and its view if that has been encoded already."""


class Conflating:
    """Tells of pending jobs: of few at once, of many when they have been pending for a second.

    Of many jobs most have ended by then, which says more. Only the final event of a job is promised
    (docs/protocol.md), and a reader of a job takes the newest event for all before it.

    Parameters
    ----------
    tell
        Announces these jobs; never waits.
    """

    def __init__(self, tell: Callable[[Sequence[News]], None], *, metrics: Metrics) -> None:
        self._tell = tell
        self._overtaken = metrics.counter(
            "announcements_overtaken_total",
            "Pending jobs nobody was told of: something newer was heard of them",
        )
        self._kept: dict[bytes, tuple[float, News]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, jobs: Sequence[News]) -> None:
        """Tell of these pending jobs, now or a little later."""
        count = len(self._kept) + len(jobs)
        if count <= FEW or count > _MOST:
            self._tell(jobs)
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + _KEPT.total_seconds()
        for job in jobs:
            self._kept[job[0]["_id"].encode()] = (until, job)
        if self._timer is None:
            self._timer = loop.call_later(_KEPT.total_seconds(), self._tell_late)

    def heard(self, job_id: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Leave out what is kept of this job, if the event with these headers is a newer one."""
        if job_id in self._kept:
            _, (record, _) = self._kept[job_id]
            if _version(headers) > record["version"]:
                del self._kept[job_id]
                self._overtaken.inc()

    def flush(self) -> None:
        """Tell of all that is kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell_until(float("inf"))

    def _tell_late(self) -> None:
        loop = asyncio.get_running_loop()
        self._tell_until(loop.time())
        self._timer = loop.call_later(_EVERY.total_seconds(), self._tell_late) if self._kept else None

    def _tell_until(self, now: float) -> None:
        late = []
        for job_id, (until, _) in self._kept.items():
            if until > now:
                break
            late.append(job_id)
        self._tell([self._kept.pop(job_id)[1] for job_id in late])


def _version(headers: Mapping[str, bytes]) -> int:
    """Return the version the headers name; 0 if they name none that can be read."""
    text = headers.get("version") or b""
    return int(text) if text.isdigit() and len(text) <= _DIGITS else 0

"""From Kafka records to the hub: skips by headers what nobody wants, drops what cannot be read."""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from api.fanout import Hub
from api.live_event import LiveEvent
from job_contracts.lifecycle import FINAL
from job_contracts.messages import JobChanged, UnreadableError, read_event
from job_contracts.topics import Topic

log = logging.getLogger(__name__)

_FINAL: Final = frozenset(str(state).encode() for state in FINAL)
_MINUTE: Final = 60


class Finished:
    """How many jobs ended in the last minute, counted from the events that pass by."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: deque[tuple[int, int]] = deque()

    def add(self, count: int) -> None:
        """Note that jobs have ended now."""
        if not count:
            return
        now = int(self._clock())
        if self._seconds and self._seconds[-1][0] == now:
            count += self._seconds.pop()[1]
        self._seconds.append((now, count))
        while self._seconds[0][0] <= now - _MINUTE:
            self._seconds.popleft()

    def last_minute(self) -> int:
        """Return how many ended in the last sixty seconds."""
        since = int(self._clock()) - _MINUTE
        return sum(count for second, count in self._seconds if second > since)


class Receiving:
    """Reads what stands on `job-events` for the hub."""

    def __init__(self, *, hub: Hub, finished: Finished, dropped: Counter) -> None:
        self._hub = hub
        self._finished = finished
        self._unreadable = dropped.labels(Topic.JOB_EVENTS, "unreadable")
        self._stale = dropped.labels(Topic.JOB_EVENTS, "stale_version")

    def take(self, records: Any) -> None:
        """Give the hub every event of this batch that somebody wants."""
        ended = 0
        for record in records:
            headers = dict(record.headers)
            ended += headers.get("state") in _FINAL and headers.get("type") == b"job.changed.v1"
            if self._is_wanted(record.key, headers):
                self._read(record.value)
        self._finished.add(ended)

    def _is_wanted(self, key: bytes | None, headers: dict[str, bytes]) -> bool:
        # Only headers that say all let us skip; whatever looks odd is judged by its body.
        try:
            owner, job_id = headers["owner"].decode(), (key or b"").decode()
        except (KeyError, UnicodeDecodeError, AttributeError):
            return True
        return not job_id or self._hub.wants(owner, job_id)

    def _read(self, value: bytes | None) -> None:
        try:
            message = read_event(value)
            event = (
                LiveEvent.of_change(message)
                if isinstance(message, JobChanged)
                else LiveEvent.of_progress(message)
            )
        except (UnreadableError, msgspec.DecodeError, RecursionError) as error:
            self._unreadable.inc()
            log.debug("event.unreadable", extra={"reason": str(error)[:200]})
            return
        if not self._hub.publish(event):
            self._stale.inc()

"""From Kafka records to ring and hub: skips by headers what nobody wants, drops what cannot be read."""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from prometheus_client import Counter

from api.fanout import Hub
from api.live_event import LiveEvent
from api.ring import Ring
from job_contracts.lifecycle import FINAL
from job_contracts.messages import JobChanged, UnreadableError, read_event
from job_contracts.topics import Topic
from service_chassis.raw_messages import Records

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


class Heard:
    """A message as it stands in the ring: decoded when somebody first wants it."""

    __slots__ = ("_event", "_unreadable", "_value")

    def __init__(self, value: bytes | None, unreadable: Counter) -> None:
        self._value, self._unreadable = value, unreadable
        self._event: LiveEvent | None = None

    def event(self) -> LiveEvent | None:
        """Return the event in it; None if there is none that can be read, which is counted once."""
        if self._value is not None:
            value, self._value = self._value, None
            self._event = self._read(value)
        return self._event

    def _read(self, value: bytes) -> LiveEvent | None:
        try:
            message = read_event(value)
            if isinstance(message, JobChanged):
                return LiveEvent.of_change(message)
            return LiveEvent.of_progress(message)
        except (UnreadableError, msgspec.DecodeError, RecursionError) as error:
            self._unreadable.inc()
            log.debug("event.unreadable", extra={"reason": str(error)[:200]})
            return None


class Receiving:
    """Reads what stands on `job-events`, for the ring and the hub.

    Parameters
    ----------
    cluster
        Asks for the id of the Kafka cluster.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        ring: Ring[Heard],
        finished: Finished,
        dropped: Counter,
        cluster: Callable[[], Awaitable[str]],
    ) -> None:
        self._hub, self._ring, self._finished, self._cluster = hub, ring, finished, cluster
        self._unreadable = dropped.labels(Topic.JOB_EVENTS, "unreadable")
        self._stale = dropped.labels(Topic.JOB_EVENTS, "stale_version")

    async def begin(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Go on reading at these offsets; called anew when there are more partitions."""
        if not self._ring.begin(await self._cluster(), starts, ends):
            log.info("events.begun", extra={"partitions": len(starts)})
            self._hub.reset("the stream begins anew")

    def take(self, records: Records) -> None:
        """Keep every event of this batch, and give the hub those that somebody wants."""
        ended = 0
        for record in records:
            heard = Heard(record.value or b"", self._unreadable)
            at, size = record.timestamp / 1000, len(record.value or b"")
            if not self._ring.add(record.partition, record.offset, heard, at=at, size=size):
                log.warning("events.missing", extra={"partition": record.partition, "before": record.offset})
                self._hub.reset("events were lost")
            if not self._ring.is_news(record.partition, record.offset):
                continue
            headers = dict(record.headers)
            ended += headers.get("state") in _FINAL and headers.get("type") == b"job.changed.v1"
            if self._is_wanted(record.key, headers):
                event = heard.event()
                if event is not None and not self._hub.publish(event):
                    self._stale.inc()
        self._finished.add(ended)

    def _is_wanted(self, key: bytes | None, headers: dict[str, bytes]) -> bool:
        # Only headers that say all let us skip; whatever looks odd is judged by its body.
        try:
            owner, job_id = headers["owner"].decode(), (key or b"").decode()
        except (KeyError, UnicodeDecodeError, AttributeError):
            return True
        return not job_id or self._hub.wants(owner, job_id)

"""From Kafka records to ring and hub: skips by headers what nobody wants, drops what cannot be read."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from prometheus_client import Counter

from api.fanout import Hub
from api.live_event import LiveEvent
from api.ring import Ring
from job_contracts.messages import JobChanged, UnreadableError, read_event
from job_contracts.topics import Topic
from service_chassis.passed_records import PassedRecord
from service_chassis.raw_messages import Records

log = logging.getLogger(__name__)

_MAX_FILLED: Final = 1_000
"""Offsets of one broken batch that are filled with nothing; a batch of ours has fewer records."""


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
    heard
        Is told of which job news came, and their headers.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        ring: Ring[Heard],
        dropped: Counter,
        cluster: Callable[[], Awaitable[str]],
        heard: Callable[[bytes | None, Mapping[str, bytes]], None],
    ) -> None:
        self._hub, self._ring, self._cluster, self._heard = hub, ring, cluster, heard
        self._unreadable = dropped.labels(Topic.JOB_EVENTS, "unreadable")
        self._stale = dropped.labels(Topic.JOB_EVENTS, "stale_version")

    async def begin(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Go on reading at these offsets; called anew when there are more partitions."""
        if not self._ring.begin(await self._cluster(), starts, ends):
            log.info("events.begun", extra={"partitions": len(starts)})
            self._hub.reset("the stream begins anew")

    def take(self, records: Records) -> None:
        """Keep every event of this batch, and give the hub those that somebody wants."""
        for record in records:
            if isinstance(record, PassedRecord):
                self._pass(record)
                continue
            heard = Heard(record.value or b"", self._unreadable)
            at, size = record.timestamp / 1000, len(record.value or b"")
            self._add(record.partition, record.offset, heard, at=at, size=size)
            if not self._ring.is_news(record.partition, record.offset):
                continue
            headers = dict(record.headers)
            self._heard(record.key, headers)
            if self._is_wanted(record.key, headers):
                event = heard.event()
                if event is not None and not self._hub.publish(event):
                    self._stale.inc()

    def _pass(self, record: PassedRecord) -> None:
        """Let nothing stand at the offsets of what is no record: none of our events was lost there."""
        if record.is_unreadable:
            self._unreadable.inc()
        # Bytes that claim more offsets than a batch of ours has leave a gap, and streams are told.
        for offset in range(max(record.first, record.offset - _MAX_FILLED), record.offset + 1):
            self._add(record.partition, offset, Heard(None, self._unreadable), at=math.inf, size=0)

    def _add(self, partition: int, offset: int, heard: Heard, *, at: float, size: int) -> None:
        if not self._ring.add(partition, offset, heard, at=at, size=size):
            log.warning("events.missing", extra={"partition": partition, "before": offset})
            self._hub.reset("events were lost")

    def _is_wanted(self, key: bytes | None, headers: dict[str, bytes]) -> bool:
        # Only headers that say all let us skip; whatever looks odd is judged by its body.
        try:
            owner, job_id = headers["owner"].decode(), (key or b"").decode()
        except (KeyError, UnicodeDecodeError, AttributeError):
            return True
        return not job_id or self._hub.wants(owner, job_id)

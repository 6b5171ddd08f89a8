"""Handles batches until they are done, and quarantines the single records that keep one from it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from service_chassis.backoff import Backoff
from service_chassis.kafka import uninvited_ends_as_errors
from service_chassis.metrics import Metrics
from service_chassis.outages import is_outage
from service_chassis.passed_records import PassedRecord, UnreadableRecordError
from service_chassis.publisher import RefusedError
from service_chassis.raw_messages import Handler, Quarantine, Records

log = logging.getLogger(__name__)

TRIES: Final = 3
"""Failures of a batch that are no outage, after which it is halved until one record is to blame."""

TRIES_OF_A_PART: Final = 2

MAX_IN_A_ROW: Final = 20
"""Records blamed without a success between. Then the fault is ours, and blame is given slowly."""

ONE_IN: Final = timedelta(seconds=30)
"""Time between two blames once the limit is reached."""

_RETRY: Final = Backoff(first=timedelta(milliseconds=200), cap=timedelta(seconds=5))
_REASON_SHOWN: Final = 1_000


class BlameLimit:
    """Keeps a bug that fails on every record from making dead letters of a whole topic.

    It is no full stop: then twenty hostile records would hold up their topic for ever.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = 0.0
        self.in_a_row = 0

    @property
    def is_reached(self) -> bool:
        """Whether so many records failed, and none did not, that records are not the reason."""
        return self.in_a_row >= MAX_IN_A_ROW

    def allows(self) -> bool:
        """Whether a record may be blamed now."""
        return not self.is_reached or self._clock() >= self._last + ONE_IN.total_seconds()

    def blamed(self) -> None:
        """A record is quarantined for what a handler raised."""
        self.in_a_row += 1
        self._last = self._clock()

    def succeeded(self) -> None:
        """A handler has taken records."""
        self.in_a_row = 0


class BatchHandler:
    """Calls handlers until each record of a batch is handled or quarantined.

    An outage fails whole batches, again and again, and costs no record. What is no outage halves the
    batch, until a single record has failed alone.

    Parameters
    ----------
    tells_passed
        Whether handlers get the `PassedRecord`s too: for those that keep places by offset.
    """

    def __init__(
        self,
        topic: str,
        metrics: Metrics,
        *,
        tells_passed: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limit: BlameLimit | None = None,
    ) -> None:
        self.topic = topic
        self.quarantine: Quarantine | None = None
        """Keeps a record; without it, records are dropped."""
        self._tells_passed, self._sleep = tells_passed, sleep
        self._limit = limit or BlameLimit()
        self._retried = metrics.retried.labels(topic)
        self._quarantined = metrics.counter(
            "records_quarantined_total",
            "Records that could not be read or handled: kept as dead letters, or dropped",
            "topic",
            "outcome",
        )
        self._passed_batches: dict[TopicPartition, int] = {}

    @property
    def trouble(self) -> str:
        """Why nothing is handled, for readiness; empty if all is well."""
        if not self._limit.is_reached:
            return ""
        return f"the last {self._limit.in_a_row} records failed for no outage: see batch.failed in the log"

    async def handle(self, handler: Handler, records: Records) -> None:
        """Return when all these records are handled, quarantined or dropped."""
        if any(isinstance(record, PassedRecord) for record in records):
            for record in records:
                if isinstance(record, PassedRecord):
                    await self._pass(record)
            if not self._tells_passed:
                records = tuple(record for record in records if not isinstance(record, PassedRecord))
        if records:
            await self._until_done(handler, records, tries=TRIES)

    async def _pass(self, record: PassedRecord) -> None:
        place = TopicPartition(record.topic, record.partition)
        again = record.batch >= 0 and self._passed_batches.get(place) == record.batch
        if record.is_unreadable and not again:
            self._passed_batches[place] = record.batch
            await self._put_aside(record.kept(), UnreadableRecordError(record.reason))

    async def _until_done(self, handler: Handler, records: Records, *, tries: int) -> None:
        failures = unexplained = 0
        while True:
            try:
                with uninvited_ends_as_errors():
                    await handler(records)
                self._limit.succeeded()
                return
            except Exception as error:
                failures += 1
                unexplained += not is_outage(error)
                self._retried.inc()
                log.warning(
                    "batch.failed",
                    extra={
                        "topic": self.topic,
                        "size": len(records),
                        "failures": failures,
                        "reason": repr(error)[:_REASON_SHOWN],
                    },
                    exc_info=failures == 1,
                )
                if unexplained >= tries and len(records) == 1 and self._may_blame():
                    await self._put_aside(records[0], error)
                    return
            if unexplained >= tries and len(records) > 1:
                middle = len(records) // 2
                await self._until_done(handler, records[:middle], tries=TRIES_OF_A_PART)
                await self._until_done(handler, records[middle:], tries=TRIES_OF_A_PART)
                return
            await self._sleep(_RETRY.wait(failures).total_seconds())

    def _may_blame(self) -> bool:
        if not self._limit.allows():
            log.error("quarantine.suspended", extra={"topic": self.topic, "reason": self.trouble})
            return False
        self._limit.blamed()
        return True

    async def _put_aside(self, record: ConsumerRecord, error: Exception) -> None:
        """Keep a record that stops the others, and say so; one that no letter can be made of is dropped."""
        told = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        outcome, failures, unexplained = "dropped", 0, 0
        while self.quarantine is not None and unexplained < TRIES:
            try:
                with uninvited_ends_as_errors():
                    await self.quarantine(record, error)
                outcome = "kept"
                break
            except Exception as trouble:  # noqa: BLE001  told, and tried again
                failures += 1
                # A topic that refuses letters can be mended, and what is dropped is gone: the record holds its place.
                unexplained += not (is_outage(trouble) or isinstance(trouble, RefusedError))
                log.warning("record.not_kept", extra={**told, "reason": repr(trouble)[:_REASON_SHOWN]})
                await self._sleep(_RETRY.wait(failures).total_seconds())
        self._quarantined.labels(self.topic, outcome).inc()
        reason = repr(error)[:_REASON_SHOWN]
        log.error("record.quarantined", extra={**told, "outcome": outcome, "reason": reason})

"""Puts the api's messages on their topics, in batches, behind the answers."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Raw
from prometheus_client import Counter

from api.conflating import Conflating, News
from job_contracts.lifecycle import JobState
from job_contracts.messages import JobChanged, encode, headers_of
from job_contracts.topics import Topic
from job_contracts.views import Record, encode_view, event_headers, job_view, requested
from service_chassis import failpoints
from service_chassis.gathering import Gathering
from service_chassis.isolation import isolate
from service_chassis.metrics import Metrics
from service_chassis.publisher import Outgoing, Publisher

log = logging.getLogger(__name__)


_MOST: Final = 1_000


class Acknowledged(Protocol):
    """Wants to know which pending jobs' messages Kafka has."""

    def acknowledged(self, records: Sequence[Record]) -> None:
        """Kafka has the messages of these pending jobs."""


class KafkaAnnouncer:
    """Announces new states and asks for workers; whoever calls never waits.

    One publish is under way for each topic, the next takes all that came meanwhile. What
    the buffer cannot hold, or Kafka does not take, is dropped and counted: the record's
    `wake_at` brings the job back, and readers of events read again every few seconds.
    """

    def __init__(
        self, publisher: Publisher, *, buffer: int, acknowledged: Acknowledged, metrics: Metrics
    ) -> None:
        dropped = metrics.counter(
            "announcements_dropped_total", "Messages given up: the dispatcher brings their jobs back", "topic"
        )
        self._requests = _Lane(
            publisher, Topic.JOBS, _requests_of, buffer, dropped, acknowledged.acknowledged
        )
        self._changes = _Lane(publisher, Topic.JOB_EVENTS, _changes_of, buffer, dropped, _nobody)
        self._pending = Conflating(self._changes.put, metrics=metrics)

    async def __aenter__(self) -> "KafkaAnnouncer":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pending.flush()
        await asyncio.gather(self._requests.flush(), self._changes.flush())

    def stored(self, records: Sequence[News]) -> None:
        """New or moved jobs: tell everybody, and workers of those that are pending."""
        pending = [pair for pair in records if pair[0]["state"] == JobState.PENDING]
        self._requests.put(pending)
        self._pending.put(pending)
        self._changes.put([pair for pair in records if pair[0]["state"] != JobState.PENDING])

    def heard(self, job_id: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Say no more that a job is pending of which something newer stands on `job-events`."""
        self._pending.heard(job_id, headers)


class _Lane:
    def __init__(
        self,
        publisher: Publisher,
        topic: Topic,
        messages_of: Callable[[Sequence[News]], list[Outgoing]],
        buffer: int,
        dropped: Counter,
        acknowledged: Callable[[Sequence[Record]], None],
    ) -> None:
        self._publisher, self._topic = publisher, topic
        self._messages_of = messages_of
        self._buffer = buffer
        self._dropped = dropped.labels(topic)
        self._acknowledged = acknowledged
        self._gathering = Gathering()
        self._waiting: deque[News] = deque()
        self._runner: asyncio.Task[None] | None = None

    def put(self, items: Sequence[News]) -> None:
        if not items:
            return
        room = self._buffer - len(self._waiting)
        if len(items) > room:
            self._dropped.inc(len(items) - max(room, 0))
        self._waiting.extend(items[: max(room, 0)])
        if self._waiting and (self._runner is None or self._runner.done()):
            self._runner = asyncio.create_task(self._run(), name=f"announce-{self._topic}")

    async def flush(self) -> None:
        if self._runner is not None:
            await asyncio.wait([self._runner], timeout=2)
            self._runner.cancel()

    async def _run(self) -> None:
        while self._waiting:
            await self._gathering.wait()
            items = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
            self._gathering.took(len(items))
            refused: Exception | None = None
            try:
                async for part, answer in isolate(self._publish, items):
                    items = items[len(part) :]
                    if isinstance(answer, Exception):
                        refused = answer
                        self._dropped.inc()
                    else:
                        self._acknowledged([record for record, _ in part])
            except Exception as error:  # noqa: BLE001  an outage, whoever's it is
                self._dropped.inc(len(items))
                log.debug("announcement.dropped", extra={"topic": self._topic, "reason": str(error)})
            if refused is not None:
                log.error("announcement.refused", extra={"topic": self._topic, "reason": repr(refused)[:200]})

    async def _publish(self, items: Sequence[News]) -> None:
        await self._publisher.publish(self._topic, self._messages_of(items))
        if failpoints.ON:
            failpoints.hit("after_publish")


def _nobody(_: Sequence[Record]) -> None:
    """Nothing follows from an announcement's acknowledgement."""


def _requests_of(items: Sequence[News]) -> list[Outgoing]:
    found = []
    for record, _ in items:
        message = requested(record)
        found.append(Outgoing(record["_id"].encode(), encode(message), headers_of(message)))
    return found


def _changes_of(items: Sequence[News]) -> list[Outgoing]:
    found = []
    for record, view in items:
        message = JobChanged(
            job_id=record["_id"],
            owner=record["owner"],
            version=record["version"],
            revision=record["revision"],
            job=Raw(view or encode_view(job_view(record))),
        )
        found.append(Outgoing(record["_id"].encode(), encode(message), event_headers(message, record)))
    return found

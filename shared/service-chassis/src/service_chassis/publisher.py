"""Publishing in batches: one produce request for all that came together, and a known end to each try."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
)

from service_chassis.backoff import Backoff
from service_chassis.ending import end_within
from service_chassis.health import Status
from service_chassis.kafka import access, uninvited_ends_as_errors
from service_chassis.metadata import pace_metadata
from service_chassis.metrics import Metrics
from service_chassis.settings import KafkaSettings

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
_BATCH_BYTES: Final = 512 * 1024
_PER_PARTITION: Final = 64
_PING: Final = timedelta(seconds=3)
_TO_END: Final = timedelta(seconds=3)
_DOUBT: Final = timedelta(milliseconds=200)
"""Between a publish that has failed and the look at what is wrong."""
_VAIN: Final = 10
"""So many publishes in a row fail by no outage alone, if a broker answers meanwhile."""


class PublishError(Exception):
    """Kafka has not acknowledged in time; the messages may or may not stand on the topic."""


class RefusedError(Exception):
    """Kafka will never take one of these messages, such as one that is too large; the others may have been stored."""


_REFUSALS: Final = (
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
)


class Outgoing(NamedTuple):
    """One message to publish."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Publisher:
    """A producer that may come and go while the service lives.

    The producer is not idempotent: readers fence by version, so a duplicate is harmless,
    and an idempotent aiokafka producer hangs while the broker is away.

    Messages that are published together are spread over as few partitions as keeps
    `_PER_PARTITION` in each: order between messages is carried by versions, not by
    partitions, and Kafka's cost is by batch, not by message.
    """

    def __init__(self, settings: KafkaSettings, *, client_id: str, metrics: Metrics) -> None:
        self._settings = settings
        self._client_id = client_id
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._task: asyncio.Task[None] | None = None
        # A turn for each topic: two topics taking turns together would each see every second partition only.
        self._turns: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._ok = False
        self._reason = "not connected yet"
        self._connected = asyncio.Event()
        self._in_vain = 0
        """Publishes that have failed since the last that did not."""
        self._doubted = asyncio.Event()

    async def __aenter__(self) -> "Publisher":
        self._task = asyncio.create_task(self._keep_in_touch(), name="kafka-contact")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
        if self._producer is not None:
            await _stop(self._producer)

    def check(self) -> Status:
        """Whether Kafka answered lately."""
        return Status(self._ok, self._reason)

    async def ready(self) -> None:
        """Wait for the first contact with Kafka."""
        await self._connected.wait()

    async def publish(
        self, topic: str, messages: Sequence[Outgoing], *, partition: int | None = None
    ) -> None:
        """Publish and wait for all replicas' acknowledgement.

        Raises
        ------
        PublishError
            Kafka is away; some of the messages may have been stored.
        RefusedError
            One of the messages will never be taken.
        """
        if not messages:
            return
        producer = self._producer
        if producer is None:
            raise PublishError("not connected to Kafka yet")
        try:
            async with asyncio.timeout(self._settings.request_timeout.total_seconds()):
                with uninvited_ends_as_errors():
                    await self._send(producer, topic, messages, partition)
        except _REFUSALS as error:
            self._metrics.publish_failures.labels(topic).inc(len(messages))
            raise RefusedError(f"{topic}: {type(error).__name__} {error}") from error
        except (KafkaError, TimeoutError) as error:
            self._metrics.publish_failures.labels(topic).inc(len(messages))
            self._in_vain += 1
            self._doubted.set()
            raise PublishError(f"{topic}: {type(error).__name__} {error}") from error
        self._in_vain = 0
        self._metrics.published.labels(topic).inc(len(messages))

    async def _send(
        self, producer: AIOKafkaProducer, topic: str, messages: Sequence[Outgoing], partition: int | None
    ) -> None:
        partitions = sorted(await producer.partitions_for(topic))
        wanted = 1 if partition is not None else -(-len(messages) // _PER_PARTITION)
        share = -(-len(messages) // min(wanted, len(partitions)))
        batches = []
        for start in range(0, len(messages), share):
            turn = next(self._turns[topic])
            target = partition if partition in partitions else partitions[turn % len(partitions)]
            for chunk in _by_size(messages[start : start + share]):
                batch = producer.create_batch()
                for key, value, headers in chunk:
                    # None says that it has no room, and a batch is cut far below that: the message is too large.
                    if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                        raise MessageSizeTooLargeError(f"a message of {len(value)} bytes")
                batches.append((batch, target))
        acknowledged = [
            await producer.send_batch(batch, topic, partition=target) for batch, target in batches
        ]
        await asyncio.gather(*acknowledged)

    async def _keep_in_touch(self) -> None:
        failures = 0
        while True:
            try:
                with uninvited_ends_as_errors():
                    answered = await self._ping()
                self._say(answered, "connected" if answered else "no broker answers")
                failures = 0 if answered else failures + 1
            except Exception as error:
                failures += 1
                self._say(False, f"{type(error).__name__}: {error}")
                if not isinstance(error, KafkaError | OSError):
                    log.exception("kafka.contact_failed")
            await self._pause(Backoff(cap=_PING).wait(failures) if failures else _PING)

    async def _pause(self, wait: timedelta) -> None:
        """Wait until the next look, which comes sooner when a publish has failed."""
        try:
            async with asyncio.timeout(wait.total_seconds()):
                await self._doubted.wait()
                self._doubted.clear()
                await asyncio.sleep(_DOUBT.total_seconds())
        except TimeoutError:
            return

    async def _ping(self) -> bool:
        """Connect, or look whether somebody answers; a producer that will publish nothing more is replaced."""
        if self._producer is not None and _is_dead(self._producer):
            await self._let_go(self._producer, "its sender has ended")
        if self._producer is None:
            self._producer = await self._start()
            self._in_vain = 0
            self._connected.set()
        async with asyncio.timeout(5):
            answered = bool(await self._producer.client.force_metadata_update())
        if answered and self._in_vain >= _VAIN:
            await self._let_go(
                self._producer, f"{self._in_vain} publishes in a row have failed, and brokers answer"
            )
        return answered

    async def _let_go(self, producer: AIOKafkaProducer, reason: str) -> None:
        log.error("kafka.producer_replaced", extra={"reason": reason})
        self._producer = None
        self._doubted.set()
        await _stop(producer)

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **access(self._settings),
            client_id=self._client_id,
            acks="all",
            max_batch_size=MAX_REQUEST_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=round(self._settings.request_timeout / timedelta(milliseconds=1)),
            metadata_max_age_ms=5_000,
        )
        pace_metadata(producer.client)
        try:
            await producer.start()
        except BaseException:
            await _stop(producer)
            raise
        return producer

    def _say(self, ok: bool, reason: str) -> None:
        if ok != self._ok:
            log.log(
                logging.INFO if ok else logging.WARNING, "kafka.contact", extra={"ok": ok, "reason": reason}
            )
        self._ok, self._reason = ok, reason


def _by_size(messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """Cut a run of messages where a batch would grow over `_BATCH_BYTES`."""
    chunks: list[list[Outgoing]] = [[]]
    size = 0
    for message in messages:
        weight = len(message.value) + 200
        if chunks[-1] and size + weight > _BATCH_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(message)
        size += weight
    return chunks


def _is_dead(producer: AIOKafkaProducer) -> bool:
    # The library fails every publish of a producer whose own task has ended, and starts no other.
    sender = producer._sender.sender_task  # noqa: SLF001
    return bool(producer._closed or sender is None or sender.done())  # noqa: SLF001


async def _stop(producer: AIOKafkaProducer) -> None:
    # It waits for a flush, which never ends while the broker is away.
    await end_within(producer.stop(), _TO_END, what="producer")

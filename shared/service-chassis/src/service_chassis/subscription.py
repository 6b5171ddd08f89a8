"""Reading a topic in batches through FastStream: written down first, committed after.

FastStream's own acknowledgement policies either commit on error or commit past an earlier
failure, so its policy is MANUAL and the commit is ours: explicit, per partition, in order.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from service_chassis.backoff import Backoff
from service_chassis.batch_handler import BatchHandler
from service_chassis.commit_order import CommitOrder, Span
from service_chassis.consumers import Demand, PatientConsumer
from service_chassis.ending import end_within
from service_chassis.health import Status
from service_chassis.kafka import access, uninvited_ends_as_errors
from service_chassis.metrics import Metrics
from service_chassis.positions import Positions
from service_chassis.raw_messages import (
    Handler,
    Quarantine,
    Records,
    pass_through_decoder,
    pass_through_parser,
)
from service_chassis.settings import KafkaSettings

log = logging.getLogger(__name__)

_POLL_MS: Final = 1_000
_COMMIT_EVERY: Final = timedelta(milliseconds=250)
"""A commit costs Kafka as much as a batch. What a late one leaves to be read again matches nothing."""

_FETCHED_AHEAD: Final = 1024 * 1024
"""Bytes of one partition that Kafka's client may hold before they are wanted; a larger message comes alone."""

_REVOKE_PATIENCE: Final = timedelta(seconds=2)
_TO_LEAVE: Final = timedelta(seconds=3)
_COMMIT_AGAIN: Final = timedelta(milliseconds=500)


class Subscription:
    """One topic, read by a consumer group; with `positions` instead every replica reads all of it.

    Parameters
    ----------
    handler
        Called with each batch through `handles`. It must be safe to call twice with the
        same records. If it raises, the same batch is tried again with back-off, and
        nothing behind it is committed: outages stop the line, they lose nothing. If no outage
        explains its failures, the record that causes them is quarantined and the others go on.
    depth
        Batches under way at a time; commits stay in order.
    demand
        Asked before each poll; by default as many as `max_records`.
    positions
        Where a reader without a group stands.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topic: str,
        group: str | None,
        client_id: str,
        metrics: Metrics,
        depth: int = 4,
        max_records: int = 500,
        demand: Demand | None = None,
        positions: Positions | None = None,
    ) -> None:
        self.topic, self.group = topic, group or ""
        self.activity = 0
        """Grows with each batch that came or ended."""
        self._metrics = metrics
        self._demand = demand
        self._positions = positions
        self._max_records = max_records
        self._slots = asyncio.Semaphore(depth)
        self._depth = depth
        self._access = access(settings)
        self._broker = KafkaBroker(
            settings.bootstrap_servers.split(","),  # FastStream takes a string for one address
            client_id=client_id,
            consumer_only=True,
            allow_auto_create_topics=False,
            metadata_max_age_ms=5_000,
            logger=None,
        )
        session = round(settings.session_timeout / timedelta(milliseconds=1))
        self._subscriber = self._broker.subscriber(
            topic,
            batch=True,
            group_id=group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest" if group else "latest",
            session_timeout_ms=session,
            heartbeat_interval_ms=session // 4,
            rebalance_timeout_ms=10_000,
            # Waiting for a free slot is no reason to lose the partitions.
            max_poll_interval_ms=3_600_000,
            max_partition_fetch_bytes=_FETCHED_AHEAD,
            batch_timeout_ms=_POLL_MS,
            parser=pass_through_parser,
            decoder=pass_through_decoder,
            listener=_Rebalance(self) if group else None,
        )
        self._closing = False
        self._asking = False
        self._assigned = asyncio.Event()
        self._reason = "not connected yet"
        self._offsets: dict[TopicPartition, int] = {}
        self._to_commit = asyncio.Event()
        self._order = CommitOrder()
        # Who keeps places by offset is told of what was passed as well; others have nothing to do with it.
        self._batches = BatchHandler(topic, metrics, tells_passed=positions is not None)
        self._under_way: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def handles(self, handler: Handler) -> Handler:
        """Register the function that handles each batch; use as a decorator."""

        @self._subscriber
        async def take(records: Any) -> None:
            await self._take(handler, records)

        return handler

    def quarantines(self, keep: Quarantine) -> Quarantine:
        """Register the function that keeps what cannot be handled; use as a decorator. Without one it is dropped."""
        self._batches.quarantine = keep
        return keep

    async def __aenter__(self) -> "Subscription":
        self._begin()
        return self

    def _begin(self) -> None:
        self._tasks = [asyncio.create_task(self._connect(), name=f"connect-{self.topic}")]
        if self.group:
            self._tasks.append(asyncio.create_task(self._commit_loop(), name=f"commit-{self.topic}"))

    async def __aexit__(self, *_: object) -> None:
        await self.stop_taking()
        for task in self._tasks:
            task.cancel()
        await self._leave(commit=self._to_commit.is_set())

    async def _leave(self, *, commit: bool = False) -> bool:
        async def end() -> None:
            if commit:
                await self._commit()
            await self._broker.stop()

        return await end_within(end(), _TO_LEAVE, what=f"reader of {self.topic}")

    async def restart(self) -> bool:
        """Leave the group and join it anew: what was not committed is read again.

        False if the old reader did not end: it may go on holding its partitions.
        """
        for task in self._tasks:
            task.cancel()
        self._assigned.clear()
        self._offsets.clear()
        self._to_commit.clear()
        self._order.clear()
        if self._positions:
            self._positions.release()
        has_left = await self._leave()
        self._begin()
        return has_left

    @property
    def waits_on_purpose(self) -> bool:
        """Whether it takes nothing because nothing is wanted, or a batch is under way."""
        return self._asking or bool(self._under_way) or self._closing

    def say_stuck(self, reason: str) -> None:
        """Let readiness say why it does not work."""
        self._assigned.clear()
        self._reason = reason

    async def stop_taking(self, within: timedelta = timedelta(seconds=2)) -> None:
        """Poll no more and let the batches under way end; the next owner reads the others again."""
        self._closing = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within.total_seconds())
        for task in self._under_way:
            task.cancel()

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The raw consumer, while there is one."""
        return self._subscriber.consumer

    def partitions(self) -> list[int]:
        """Return the partitions that are ours now."""
        consumer = self._subscriber.consumer
        return sorted(tp.partition for tp in consumer.assignment()) if consumer is not None else []

    def check(self) -> Status:
        """Whether the group has given us our share, even if it is none, and it can be handled."""
        trouble = self._batches.trouble
        return Status(self._assigned.is_set() and not trouble, trouble or self._reason)

    async def _connect(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(15):
                    with uninvited_ends_as_errors():
                        await self._broker.connect()
                        self._use_patient_consumer()
                        await self._broker.start()
                log.info("kafka.subscribed", extra={"topic": self.topic, "group": self.group or None})
                return
            except (KafkaError, OSError, TimeoutError) as error:
                failures += 1
                self._reason = f"{type(error).__name__}: {error}"
                log.warning("kafka.not_subscribed", extra={"topic": self.topic, "reason": self._reason})
                await self._leave()
                await asyncio.sleep(Backoff(cap=timedelta(seconds=5)).wait(failures).total_seconds())

    def _use_patient_consumer(self) -> None:
        config = self._broker.config.broker_config
        build: Any = config.builder
        options = {**build.keywords, **self._access}
        config.builder = partial(PatientConsumer, **options, ask=self._wanted, positions=self._positions)

    async def _wanted(self) -> int:
        if self._positions and self._positions.caught_up and not self._assigned.is_set():
            self.assigned(len(self.partitions()))
        self._asking = True
        try:
            if self._closing:
                await asyncio.Event().wait()
            return await self._demand() if self._demand else self._max_records
        finally:
            self._asking = False

    async def _take(self, handler: Handler, records: Records) -> None:
        self.activity += 1
        self._metrics.consumed.labels(self.topic).inc(len(records))
        self._metrics.batch_size.labels(self.topic).observe(len(records))
        await self._slots.acquire()
        # In the order of offsets: the last one of a partition counts.
        ends = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        work = self._one(handler, records, self._order.begin(ends))
        task = asyncio.create_task(work, name=f"batch-{self.topic}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if self._depth == 1:
            await asyncio.wait([task])

    async def _one(self, handler: Handler, records: Records, spans: Sequence[Span]) -> None:
        try:
            await self._batches.handle(handler, records)
        finally:
            self.activity += 1
            self._slots.release()
        if (offsets := self._order.end(spans)) and self.group:
            self._offsets |= offsets
            self._to_commit.set()

    async def _commit_loop(self) -> None:
        while True:
            await self._to_commit.wait()
            done = await self._commit()
            await asyncio.sleep((_COMMIT_EVERY if done else _COMMIT_AGAIN).total_seconds())

    async def _commit(self) -> bool:
        """Commit what is done and ours; false if it must be tried again."""
        self._to_commit.clear()
        consumer = self._subscriber.consumer
        if consumer is None:
            return True
        ours = consumer.assignment()
        offsets = {tp: offset for tp, offset in self._offsets.items() if tp in ours}
        self._offsets.clear()
        try:
            if offsets:
                with uninvited_ends_as_errors():
                    await consumer.commit(offsets)
        except (KafkaError, IllegalStateError, OSError) as error:
            log.info(
                "kafka.commit_failed",
                extra={"topic": self.topic, "reason": f"{type(error).__name__}: {error}"},
            )
            # Should no message follow, nothing else would say how far the group has come, which others wait for.
            self._offsets = offsets | self._offsets
            self._to_commit.set()
            return False
        return True

    def assigned(self, count: int) -> None:
        """The group has given us this many partitions."""
        self._reason = f"{count} partitions"
        self._assigned.set()

    async def revoked(self) -> None:
        """Partitions move: commit what is nearly done, so that the next owner reads less of it again."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_REVOKE_PATIENCE.total_seconds())
        if self._to_commit.is_set():
            await self._commit()
        self._order.clear()
        # What could not be committed is read again by the next owner, and its versions match nothing.
        self._offsets.clear()
        self._to_commit.clear()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the subscription what the group decides."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  eager: all of them
        """Everything is taken from us for the time of the rebalance."""
        await self._subscription.revoked()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """These are ours now."""
        self._subscription.assigned(len(assigned))

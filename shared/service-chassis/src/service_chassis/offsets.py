"""Where topics end and how far groups have come, for lag and for waiting until others have caught up."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from service_chassis.ending import end_within
from service_chassis.kafka import access, uninvited_ends_as_errors
from service_chassis.settings import KafkaSettings

Offsets = Mapping[TopicPartition, int]

_PATIENCE: Final = timedelta(seconds=5)
_TO_END: Final = timedelta(seconds=2)


class OffsetsError(Exception):
    """Kafka did not tell; ask again later."""


class KafkaOffsets:
    """A reader of offsets that connects when first asked and again after a failure."""

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._options = {**access(settings), "client_id": client_id}
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> "KafkaOffsets":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    async def ends(self, topic: str) -> Offsets:
        """Return the end offset of every partition that holds anything.

        Raises
        ------
        OffsetsError
            Kafka is away.
        """
        async with self._lock:
            try:
                async with _in_time():
                    consumer = await self._connected_consumer()
                    known = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001  no public way to a topic nobody subscribed to
                    partitions = [TopicPartition(topic, p) for p in known]
                    first = await consumer.beginning_offsets(partitions)
                    ends = await consumer.end_offsets(partitions)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop()
                raise OffsetsError(f"{topic}: {type(error).__name__} {error}") from error
        return {tp: end for tp, end in ends.items() if end > first[tp]}

    async def committed(self, group: str) -> Offsets:
        """Return the offsets the group has committed; `OffsetsError` if Kafka is away."""
        async with self._lock:
            try:
                async with _in_time():
                    admin = await self._connected_admin()
                    known = await admin.list_consumer_group_offsets(group)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop()
                raise OffsetsError(f"{group}: {type(error).__name__} {error}") from error
        return {tp: meta.offset for tp, meta in known.items()}

    async def cluster_id(self) -> str:
        """Return the id of the Kafka cluster; `OffsetsError` if Kafka is away."""
        async with self._lock:
            try:
                async with _in_time():
                    admin = await self._connected_admin()
                    return str((await admin.describe_cluster())["cluster_id"])
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop()
                raise OffsetsError(f"cluster id: {type(error).__name__} {error}") from error

    async def _connected_admin(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(request_timeout_ms=4_000, **self._options)
            await admin.start()
            self._admin = admin
        return self._admin

    async def _connected_consumer(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(request_timeout_ms=4_000, enable_auto_commit=False, **self._options)
            await consumer.start()
            self._consumer = consumer
        return self._consumer

    async def _drop(self) -> None:
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        # It was broken before, that is why it is dropped; the next one must not wait for it.
        closing = [client() for client in (admin and admin.close, consumer and consumer.stop) if client]
        await asyncio.gather(*(end_within(client, _TO_END, what="reader of offsets") for client in closing))


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(_PATIENCE.total_seconds()):
        with uninvited_ends_as_errors():
            yield

"""Kafka as a test sees it: what stands on the topics, how far the groups are, and raw bytes put there."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from job_contracts.topics import MAX_MESSAGE_BYTES, PARTITIONS, TOPICS, Group, Topic
from tests.support.waiting import until

READERS: Final[Mapping[Group, Topic]] = {
    Group.JOB_WORKER: Topic.JOBS,
    Group.RESULT_WORKER: Topic.RESULTS,
    Group.DLQ_WORKER: Topic.DEAD_LETTER,
}

Marks = dict[TopicPartition, int]


class TopicProbe:
    """Looks at topics without being a member of any group. What stood there before its start is not its business."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers, enable_auto_commit=False, max_partition_fetch_bytes=4 << 20
        )
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers, acks="all", max_request_size=MAX_MESSAGE_BYTES
        )
        self.since: Marks = {}

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(30):
            await self._consumer.start()
            await self._producer.start()
            self.since = await self.ends(*Topic)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(10):
            await self._producer.stop()
            await self._consumer.stop()

    async def produce(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> tuple[str, int, int]:
        """Put bytes on a topic, whatever they are; return topic, partition and offset."""
        async with asyncio.timeout(20):
            done = await self._producer.send_and_wait(
                topic, value, key=key, headers=list(headers), partition=partition
            )
        return done.topic, done.partition, done.offset

    async def ends(self, *topics: str) -> Marks:
        async with asyncio.timeout(20):
            known = await self._consumer._client.fetch_all_metadata()  # a topic may have grown
            places = [TopicPartition(t, p) for t in topics for p in known.partitions_for_topic(t) or ()]
            ends: Marks = await self._consumer.end_offsets(places)
        return ends

    async def dump(self, topic: str, *, within: float = 30) -> list[ConsumerRecord]:
        """Return everything that came on a topic since this probe began."""
        ends = await self.ends(topic)
        places = [tp for tp, end in ends.items() if end > self.since.get(tp, 0)]
        if not places:
            return []
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(within):
            self._consumer.assign(places)
            for tp in places:
                self._consumer.seek(tp, self.since.get(tp, 0))
            left = set(places)
            while left:
                got = await self._consumer.getmany(*left, timeout_ms=500)
                for tp, some in got.items():
                    records += [r for r in some if r.offset < ends[tp]]
                for tp in list(left):
                    if await self._consumer.position(tp) >= ends[tp]:
                        left.discard(tp)
            self._consumer.unsubscribe()
        return records

    async def committed(self, group: str) -> Marks:
        """How far a group has come."""
        async with self._admin() as admin:
            done: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
        return {tp: meta.offset for tp, meta in done.items()}

    async def lag(self) -> dict[str, int]:
        """Return how many messages each group has not committed yet."""
        lags = {}
        for group, topic in READERS.items():
            ends, offsets = await self.ends(topic), await self.committed(group)
            lags[str(group)] = sum(
                max(0, end - max(offsets.get(tp, -1), self.since.get(tp, 0))) for tp, end in ends.items()
            )
        return lags

    # --- what an operator may do
    async def configure(self, topic: str, **settings: str) -> None:
        """Give a topic the settings it is declared with, and these; names with `_` for `.`."""
        declared = next(dict(spec.configs) for spec in TOPICS if spec.name == topic)
        wanted = declared | {name.replace("_", "."): value for name, value in settings.items()}
        async with self._admin() as admin:
            (answer,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)])
        assert not answer.resources[0][0], answer

    async def grow(self, topic: str) -> int:
        """Give a topic one more partition and return how many it has."""
        count = len({place.partition for place in await self.ends(topic)}) + 1
        async with self._admin() as admin:
            await admin.create_partitions({topic: NewPartitions(count)})
        return count

    async def delete(self, topic: str) -> None:
        """Drop a topic with all that stands on it."""
        async with self._admin() as admin:
            await admin.delete_topics([topic])

            async def gone() -> bool:
                return topic not in await admin.list_topics()

            await until(gone, within=20, what=f"{topic} to be deleted")

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        async with asyncio.timeout(20):
            await admin.start()
            try:
                yield admin
            finally:
                await admin.close()

    async def drained(self, *, within: float = 30) -> None:
        """Wait until every group has committed all there is."""

        async def look() -> bool:
            lag = await self.lag()
            assert not any(lag.values()), f"lag is {lag}"
            return True

        await until(look, within=within, what="all groups to have no lag", every=0.3)


async def skip_to_the_ends(bootstrap_servers: str) -> None:
    """Have the groups, while they have no members, begin after what stands on the topics now."""
    for group, topic in READERS.items():
        async with asyncio.timeout(20):
            consumer = AIOKafkaConsumer(
                bootstrap_servers=bootstrap_servers, group_id=str(group), enable_auto_commit=False
            )
            await consumer.start()
            try:
                places = [TopicPartition(topic, p) for p in range(PARTITIONS)]
                ends = {tp: end for tp, end in (await consumer.end_offsets(places)).items() if end}
                if ends:
                    consumer.assign(list(ends))
                    await consumer.commit(ends)
            finally:
                await consumer.stop()

"""Reading and publishing batches on real Kafka: nothing is committed past what failed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from service_chassis.metrics import Metrics
from service_chassis.offsets import KafkaOffsets
from service_chassis.publisher import MAX_REQUEST_BYTES, Outgoing, Publisher, PublishError, RefusedError
from service_chassis.raw_messages import Records
from service_chassis.settings import KafkaSettings
from service_chassis.subscription import Subscription
from service_chassis.watchdog import Watchdog
from tests.support.product import Servers
from tests.support.waiting import until, until_true


@pytest.fixture
def kafka(servers: Servers) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=servers.bootstrap_servers)


@pytest.fixture
async def topic(kafka: KafkaSettings) -> AsyncIterator[str]:
    name = f"chassis-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics(
        [NewTopic(name, 3, 1, topic_configs={"max.message.bytes": str(MAX_REQUEST_BYTES)})]
    )
    yield name
    await admin.delete_topics([name])
    await admin.close()


@pytest.fixture
async def publisher(kafka: KafkaSettings) -> AsyncIterator[Publisher]:
    async with Publisher(kafka, client_id="test", metrics=Metrics()) as ready:
        await asyncio.wait_for(ready.ready(), 20)
        yield ready


class Reader:
    """A subscription whose batches a test can let fail."""

    def __init__(self, kafka: KafkaSettings, topic: str, group: str) -> None:
        self.seen: list[bytes] = []
        self.fail = 0
        self.subscription = Subscription(
            kafka, topic=topic, group=group, client_id="test", metrics=Metrics(), depth=2
        )

        @self.subscription.handles
        async def on_batch(records: Records) -> None:
            if self.fail:
                self.fail -= 1
                raise ConnectionError("the database is away")
            self.seen += [record.value or b"" for record in records]


Start = Callable[[str], Awaitable[Reader]]


@pytest.fixture
async def start(kafka: KafkaSettings, topic: str) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(group: str) -> Reader:
            reader = Reader(kafka, topic, group)
            await stack.enter_async_context(reader.subscription)
            await until_true(lambda: reader.subscription.check().ok, within=20, what="partitions")
            return reader

        yield begin


def has_read(reader: Reader, count: int) -> bool:
    return len(reader.seen) == count


def messages(*values: bytes) -> list[Outgoing]:
    return [Outgoing(b"key", value, []) for value in values]


async def test_what_is_published_is_read_once_and_committed(
    kafka: KafkaSettings, topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("once")
    await publisher.publish(topic, messages(*(b"%d" % n for n in range(200))))
    await until_true(lambda: len(reader.seen) == 200, within=20, what="all messages")
    assert sorted(map(int, reader.seen)) == list(range(200))
    async with KafkaOffsets(kafka, client_id="test") as offsets:

        async def committed() -> bool:
            return sum((await offsets.committed("once")).values()) == 200

        await until(committed, within=20, what="the commit")
        assert sum((await offsets.ends(topic)).values()) == 200


async def test_batches_that_come_close_together_share_commits_and_the_end_commits_the_rest(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    reader = Reader(kafka, topic, "sparing")
    commits: list[dict[TopicPartition, int]] = []
    async with reader.subscription:
        await until_true(lambda: reader.subscription.check().ok, within=20, what="partitions")
        consumer = reader.subscription.consumer
        assert consumer is not None
        commit = consumer.commit

        async def noted(offsets: dict[TopicPartition, int]) -> None:
            commits.append(offsets)
            await commit(offsets)

        consumer.commit = noted
        for n in range(40):
            await publisher.publish(topic, messages(b"%d" % n))
            await until_true(partial(has_read, reader, n + 1), within=20, what="the message", every=0.001)
    assert len(commits) < 40
    async with KafkaOffsets(kafka, client_id="test") as offsets:
        assert sum((await offsets.committed("sparing")).values()) == 40


async def test_a_failing_batch_is_tried_again_and_nothing_is_lost(
    topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("again")
    reader.fail = 3
    for n in range(5):
        await publisher.publish(topic, messages(b"%d" % n))
    await until_true(lambda: len(reader.seen) == 5, within=30, what="the batches after their failures")
    assert sorted(reader.seen) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_message_after_a_quiet_time_does_not_wait_for_a_poll(
    topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("prompt")
    loop = asyncio.get_running_loop()
    for n in range(1, 4):
        await asyncio.sleep(1.1)  # a quiet time, longer than one poll
        sent = loop.time()
        await publisher.publish(topic, messages(b"%d" % n))
        await until_true(partial(has_read, reader, n), within=5, what="the message", every=0.002)
        assert loop.time() - sent < 0.5


async def test_a_reader_that_hangs_in_its_library_is_made_anew_and_misses_nothing(
    kafka: KafkaSettings, topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("wedged")
    await publisher.publish(topic, messages(b"before"))
    await until_true(partial(has_read, reader, 1), within=10, what="the first message")
    consumer = reader.subscription.consumer
    assert consumer is not None

    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    consumer._fetcher.fetched_records = hang
    now = 0.0
    async with KafkaOffsets(kafka, client_id="test") as offsets:
        dog = Watchdog(
            reader.subscription,
            offsets=offsets,
            patience=kafka.stuck_after,
            clock=lambda: now,
            metrics=Metrics(),
            end=lambda: pytest.fail("the process would have ended"),
        )
        # A poll that was under way when the fetcher was replaced may still bring something.
        await publisher.publish(topic, messages(b"first"))
        await asyncio.sleep(1.5)  # longer than that poll
        await publisher.publish(topic, messages(*(b"%d" % n for n in range(20))))
        await dog.look()
        now += kafka.stuck_after.total_seconds() + 1
        await dog.look()
        await until_true(partial(has_read, reader, 22), within=30, what="what waited")
        assert reader.subscription.check().ok
        now += 1
        await dog.look()
        now += kafka.stuck_after.total_seconds() + 1
        await dog.look()
    assert len(set(reader.seen)) == 22


async def test_a_commit_that_failed_is_made_again_though_no_message_follows(
    kafka: KafkaSettings, topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("uncommitted")
    consumer = reader.subscription.consumer
    assert consumer is not None
    commit = consumer.commit
    # The last is what comes when a connection is closed under a commit.
    failures = [KafkaConnectionError("cut"), CommitFailedError("moved"), asyncio.CancelledError()]

    async def fail_first(offsets: Any) -> None:
        if failures:
            raise failures.pop()
        await commit(offsets)

    consumer.commit = fail_first
    await publisher.publish(topic, messages(b"the last one"))
    async with KafkaOffsets(kafka, client_id="test") as offsets:

        async def committed() -> bool:
            return sum((await offsets.committed("uncommitted")).values()) == 1

        await until(committed, within=10, what="the commit")
    assert not failures


async def test_a_reader_that_neither_reads_nor_ends_ends_the_process(
    kafka: KafkaSettings, topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("undying")
    consumer = reader.subscription.consumer
    assert consumer is not None
    dies = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async def refuse_to_end() -> None:
        while not dies.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await dies.wait()

    consumer._fetcher.fetched_records, stop = hang, consumer.stop
    consumer.stop = refuse_to_end
    ended, now = list[str](), 0.0
    try:
        async with KafkaOffsets(kafka, client_id="test") as offsets:
            dog = Watchdog(
                reader.subscription,
                offsets=offsets,
                patience=kafka.stuck_after,
                clock=lambda: now,
                metrics=Metrics(),
                end=lambda: ended.append("ended"),
            )
            await asyncio.sleep(1.5)  # longer than the poll that was under way
            await publisher.publish(topic, messages(b"waits"))
            await dog.look()
            now += kafka.stuck_after.total_seconds() + 1
            async with asyncio.timeout(10):
                await dog.look()
    finally:
        dies.set()
    await stop()
    assert ended, "its heart goes on beating: only the end of the process gives its partitions to another"


class Forged(BatchBuilder):  # type: ignore[misc]
    """A batch made by a stranger."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(1 << 20, 0)
        self._raw = raw

    def record_count(self) -> int:
        return 1

    def _build(self) -> bytes:
        return self._raw


def batch(value: bytes, *, codec: int = 0, header: str = "type") -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=0,
        producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=1 << 20,
    )  # fmt: skip
    builder.append(0, timestamp=1, key=b"key", value=value, headers=[(header, b"x")])
    return bytes(builder.build())


async def test_what_stands_behind_bytes_that_are_no_records_is_read_and_committed_to_the_end(
    kafka: KafkaSettings, topic: str, start: Start
) -> None:
    reader = await start("foreign")
    kept: list[bytes] = []

    @reader.subscription.quarantines
    async def keep(record: ConsumerRecord, _: Exception) -> None:
        kept.append(record.value)

    broken = batch(b"never lost").replace(b"type", b"\xff\xfe\xfd\xfc")
    broken = broken[:17] + calc_crc32c(broken[21:]).to_bytes(4, "big") + broken[21:]
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as stranger:
        for raw in (broken, batch(b"gzip", codec=1), batch(b"lz4", codec=3), batch(b"zstd", codec=4), broken):
            await (await stranger.send_batch(Forged(raw), topic, partition=0))
    transactional = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"stranger-{topic}"
    )
    async with transactional as stranger, stranger.transaction():
        await stranger.send_and_wait(topic, b"transacted", partition=0)

    place = TopicPartition(topic, 0)
    async with KafkaOffsets(kafka, client_id="test") as offsets:

        async def has_committed_all() -> bool:
            ends, committed = await offsets.ends(topic), await offsets.committed("foreign")
            assert (ends[place], committed.get(place)) == (7, 7), "five batches, a record and a mark"
            return True

        await until(has_committed_all, within=30, what="commit of the end")
    assert sorted(reader.seen) == [b"gzip", b"lz4", b"never lost", b"never lost", b"transacted", b"zstd"]
    assert kept == []


async def test_bytes_of_any_kind_arrive_as_they_were_sent(
    topic: str, publisher: Publisher, start: Start
) -> None:
    reader = await start("bytes")
    odd = [b"", b"\xff\xfe", json.dumps("ü").encode(), b"\x00" * 900_000]
    headers = [("type", b"\xff\xfe"), ("", b"")]
    await publisher.publish(topic, [Outgoing(b"\xff", value, headers) for value in odd])
    await until_true(lambda: len(reader.seen) == 4, within=20, what="all messages")
    assert sorted(reader.seen) == sorted(odd)


async def test_a_named_partition_gets_the_whole_batch(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    await publisher.publish(topic, messages(*[b"x"] * 100), partition=2)
    async with KafkaOffsets(kafka, client_id="test") as offsets:
        assert await offsets.ends(topic) == {TopicPartition(topic, 2): 100}


async def test_a_message_that_kafka_refuses_is_an_error_and_not_a_silence(
    topic: str, publisher: Publisher
) -> None:
    with pytest.raises(RefusedError):
        await publisher.publish(topic, messages(b"x" * (MAX_REQUEST_BYTES + 1)))


async def test_without_a_broker_publishing_fails_and_nothing_hangs() -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    async with asyncio.timeout(15), Publisher(nowhere, client_id="test", metrics=Metrics()) as publisher:
        with pytest.raises(PublishError):
            await publisher.publish("anything", messages(b"x"))
        assert not publisher.check().ok

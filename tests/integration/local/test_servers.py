"""Real Kafka and real MongoDB as `deploy/local` starts them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from jobstream_local.part import NotReadyError
from jobstream_local.ports import PortInUseError
from jobstream_local.stack import Ports, Replicas, Stack


def servers(home: Path, **options: Any) -> Stack:
    return Stack(home, **{"ports": Ports.free(), "replicas": Replicas.none(), **options})


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    stack = servers(tmp_path)
    try:
        await stack.up_servers()
        yield stack
    finally:
        await stack.down()


async def send(stack: Stack, topic: str, value: bytes) -> None:
    async with asyncio.timeout(30):
        producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all")
        async with producer:
            await producer.send_and_wait(topic, value)


async def first(stack: Stack, topic: str) -> bytes | None:
    async with asyncio.timeout(30):
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest", group_id="readers"
        )
        async with consumer:
            value: bytes | None = (await consumer.getone()).value
            return value


async def make_topic(stack: Stack, topic: str, copies: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    try:
        await admin.start()
        answer = await admin.create_topics([NewTopic(topic, 1, copies)])
        assert [code for _, code, *_ in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def test_what_was_written_before_a_stop_is_there_after_it_on_other_ports(tmp_path: Path) -> None:
    before = servers(tmp_path)
    try:
        await before.up_servers()
        await make_topic(before, "t")
        await send(before, "t", b"kept")
        with pymongo.MongoClient[dict[str, Any]](before.mongo_uri) as client:
            client["it"]["things"].insert_one({"_id": 1})
    finally:
        await before.down()
    after = servers(tmp_path)
    assert after.mongo_uri != before.mongo_uri
    try:
        await after.up_servers()
        assert await first(after, "t") == b"kept"
        with pymongo.MongoClient[dict[str, Any]](after.mongo_uri) as client:
            assert client["it"]["things"].find_one() == {"_id": 1}
    finally:
        await after.down()


async def test_a_topic_that_nobody_made_does_not_spring_up(stack: Stack) -> None:
    with pytest.raises((UnknownTopicOrPartitionError, TimeoutError)):
        async with asyncio.timeout(3):
            await send(stack, "misspelt", b"")


async def test_a_killed_server_comes_back_under_supervision_with_its_data(stack: Stack) -> None:
    await make_topic(stack, "t")
    await send(stack, "t", b"kept")
    stack.supervise = True
    for name in ("kafka", "mongod"):
        await stack.kill(name)
    await stack.ready("kafka", within=30)
    await stack.ready("mongod", within=30)
    assert await first(stack, "t") == b"kept"


async def test_a_frozen_server_answers_again_after_it(stack: Stack) -> None:
    stack.pause("mongod")
    assert not await stack.part("mongod").ready()
    stack.resume("mongod")
    await stack.ready("mongod", within=10)


async def test_a_port_in_use_is_named_with_its_setting(stack: Stack, tmp_path: Path) -> None:
    taken = stack.part("kafka").ports["kafka"]
    second = servers(tmp_path / "other", ports=Ports(api=0, web=0, kafka=taken, mongo=0))
    with pytest.raises(PortInUseError, match=f"port {taken} is in use, and kafka needs it: .* KAFKA_PORT="):
        await second.up_servers()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    stack = servers(tmp_path, kafka_properties={"num.network.threads": "none"})
    try:
        with pytest.raises(NotReadyError, match=r"(?s)kafka ended with exit code 1.*num\.network\.threads"):
            await stack.up_servers()
    finally:
        await stack.down()


async def test_three_brokers_and_three_members_keep_what_one_of_them_forgets(tmp_path: Path) -> None:
    replicas = Replicas(api=0, job_worker=0, result_worker=0, dlq_worker=0, kafka=3, mongod=3)
    stack = servers(tmp_path, replicas=replicas)
    try:
        await stack.up_servers()
        assert stack.env["KAFKA__REPLICATION"] == "3"
        await make_topic(stack, "t", copies=3)
        await send(stack, "t", b"kept")
        with pymongo.MongoClient[dict[str, Any]](stack.mongo_uri, w="majority") as client:
            client["it"]["things"].insert_one({"_id": 1})
        await stack.kill("kafka-1")
        await stack.kill("mongod-1")
        assert await first(stack, "t") == b"kept"
        with pymongo.MongoClient[dict[str, Any]](stack.mongo_uri) as client:
            assert client["it"]["things"].find_one() == {"_id": 1}
    finally:
        await stack.down()

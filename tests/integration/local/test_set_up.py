"""The set-up step on a real Kafka: `python -m jobstream_setup`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from job_contracts.topics import TOPICS
from jobstream_local.part import NotReadyError
from jobstream_local.ports import free_port
from jobstream_local.stack import Ports, Replicas, Stack
from jobstream_setup.admin import SetUpError
from jobstream_setup.topics import ensure
from service_chassis.settings import KafkaSettings
from tests.support.waiting import until


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path, ports=Ports.free(), replicas=Replicas.none(), mongo_uri="mongodb://nowhere")
    try:
        await stack.up_servers()
        yield stack
    finally:
        await stack.down()


async def partitions(stack: Stack) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    try:
        await admin.start()
        topics = await admin.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in topics if not topic["is_internal"]}
    finally:
        await admin.close()


async def own_configs(stack: Stack, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    try:
        await admin.start()
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((*_, entries),) = answer.resources
        own = 1
        return {key: value for key, value, _, source, *_ in entries if source == own}
    finally:
        await admin.close()


async def test_the_declared_topics_are_there_after_it_and_again_after_a_repeat(stack: Stack) -> None:
    for _ in range(2):
        await stack.set_up()
        assert await partitions(stack) == {str(spec.name): spec.partitions for spec in TOPICS}


async def test_a_topic_with_too_few_partitions_is_widened_and_one_with_more_left_alone(stack: Stack) -> None:
    kafka = KafkaSettings(bootstrap_servers=stack.bootstrap_servers)
    narrow, wide = (replace(TOPICS[0], name=name, partitions=3) for name in ("narrow", "wide"))
    await ensure([narrow, wide], kafka)
    await ensure([replace(narrow, partitions=5), replace(wide, partitions=2)], kafka)
    assert await partitions(stack) == {"narrow": 5, "wide": 3}


async def test_an_older_topic_is_given_its_largest_message_and_keeps_what_is_set(stack: Stack) -> None:
    kafka = KafkaSettings(bootstrap_servers=stack.bootstrap_servers)
    bare = replace(TOPICS[0], name="bare", configs={"retention.ms": "7000000"})
    chosen = replace(TOPICS[0], name="chosen", configs={"max.message.bytes": "5000"})
    await ensure([bare, chosen], kafka)
    await ensure([replace(TOPICS[0], name="bare"), replace(TOPICS[0], name="chosen")], kafka)
    pinned = {"retention.ms": "7000000", "max.message.bytes": TOPICS[0].configs["max.message.bytes"]}

    async def is_pinned() -> bool:
        assert await own_configs(stack, "bare") == pinned
        return True

    await until(is_pinned, within=20, what="the setting")
    assert await own_configs(stack, "chosen") == {"max.message.bytes": "5000"}


async def test_more_copies_than_brokers_is_refused_with_the_reason(stack: Stack) -> None:
    kafka = KafkaSettings(bootstrap_servers=stack.bootstrap_servers, replication=3)
    with pytest.raises(SetUpError, match="Kafka refused the topic jobs: InvalidReplicationFactorError"):
        await ensure(TOPICS, kafka)


async def test_without_a_broker_it_gives_up_with_the_address() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(SetUpError, match=f"gave up on Kafka at {address}"):
        await ensure(TOPICS, KafkaSettings(bootstrap_servers=address), patience=timedelta(seconds=0.2))


async def test_a_failure_shows_the_end_of_its_log(stack: Stack) -> None:
    stack.env["KAFKA__REPLICATION"] = "3"
    with pytest.raises(NotReadyError, match=r"(?s)set-up of topics failed.*InvalidReplicationFactor"):
        await stack.set_up()

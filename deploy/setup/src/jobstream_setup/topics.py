"""Topics as they are declared: missing ones are made, too narrow ones widened, nothing is ever dropped."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from job_contracts.topics import TopicSpec
from jobstream_setup.admin import PATIENCE, SetUpError, with_admin
from service_chassis.settings import KafkaSettings

log = logging.getLogger(__name__)


async def ensure(
    specs: Sequence[TopicSpec], settings: KafkaSettings, *, patience: timedelta = PATIENCE
) -> None:
    """Make the cluster's topics match their declaration; repeating it changes nothing.

    Raises
    ------
    SetUpError
        Kafka did not appear within `patience`, or refused.
    """

    async def topics(admin: AIOKafkaAdminClient) -> None:
        await _create(admin, specs, replication=settings.replication)
        await _widen(admin, specs)
        await _pin(admin, specs)
        await _led(admin, specs)
        await _compare(admin, specs)

    await with_admin(settings, topics, patience=patience)


_LARGEST: Final = "max.message.bytes"
_OF_THE_TOPIC: Final = 1
"""Kafka's number for a setting that a topic has of its own."""

_THREE: Final = 3
_SAFE: Final = {"min.insync.replicas": "2"}
"""With three replicas an acknowledged message stands on two of them, and one may be away."""


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], *, replication: int) -> None:
    there = set(await admin.list_topics())
    missing = [spec for spec in specs if spec.name not in there]
    if not missing:
        return
    topics = [
        NewTopic(
            str(spec.name),
            spec.partitions,
            replication,
            topic_configs={**spec.configs, **(_SAFE if replication >= _THREE else {})},
        )
        for spec in missing
    ]
    answer = await admin.create_topics(topics)
    for name, code, *message in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            error = for_code(code)
            if error.retriable:
                raise error(name)
            msg = f"Kafka refused the topic {name}: {error.__name__} {' '.join(filter(None, message))}"
            raise SetUpError(msg)
        log.info("topic.created", extra={"topic": name, "replication": replication})


async def _widen(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Add partitions where there are fewer than declared. More are left alone: they cannot be taken away."""
    counts = {name: len(topic["partitions"]) for name, topic in (await _describe(admin, specs)).items()}
    narrow = {str(spec.name): spec.partitions for spec in specs if counts.get(spec.name, 0) < spec.partitions}
    if not narrow:
        return
    await admin.create_partitions({name: NewPartitions(total) for name, total in narrow.items()})
    for name, total in narrow.items():
        log.info("topic.widened", extra={"topic": name, "before": counts.get(name, 0), "partitions": total})


async def _pin(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Give topics their own largest message where they only have the broker's. What an operator has set stays."""
    for spec in specs:
        size = spec.configs.get(_LARGEST)
        if size is None:
            continue
        own = await _own_configs(admin, str(spec.name))
        if _LARGEST in own:
            continue
        # Kafka replaces all that a topic has of its own.
        pinned = ConfigResource(ConfigResourceType.TOPIC, str(spec.name), {**own, _LARGEST: size})
        for answer in await admin.alter_configs([pinned]):
            for code, message, *_ in answer.resources:
                told = {"topic": str(spec.name), "setting": _LARGEST, "value": size}
                if code:
                    log.warning("topic.not_pinned", extra={**told, "reason": message})
                else:
                    log.info("topic.pinned", extra=told)


async def _own_configs(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """Return what is set for this topic alone."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    entries = [entry for answer in answers for *_, found in answer.resources for entry in found]
    return {key: value for key, value, _, source, *_ in entries if source == _OF_THE_TOPIC}


async def _led(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Wait until every partition has a leader: until then a producer fails."""
    async with asyncio.timeout(15):
        while True:
            topics = await _describe(admin, specs)
            leaders = [p["leader"] for topic in topics.values() for p in topic["partitions"]]
            if len(leaders) >= sum(spec.partitions for spec in specs) and min(leaders) >= 0:
                return
            await asyncio.sleep(0.05)


async def _describe(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> Mapping[str, Any]:
    topics = await admin.describe_topics([str(spec.name) for spec in specs])
    return {topic["topic"]: topic for topic in topics if not topic["error_code"]}


async def _compare(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Say which settings an operator has changed; they may have had a reason."""
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, str(s.name), dict(s.configs)) for s in specs if s.configs
    ]
    wanted = {str(spec.name): spec.configs for spec in specs}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            for key, value, *_ in entries:
                if wanted[name].get(key, value) != value:
                    difference = {
                        "topic": name,
                        "setting": key,
                        "declared": wanted[name][key],
                        "found": value,
                    }
                    log.warning("topic.differs", extra=difference)
    log.info("topics.ready", extra={"topics": {str(spec.name): spec.partitions for spec in specs}})

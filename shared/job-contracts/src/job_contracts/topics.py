"""The four topics: names, readers, retention and sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
"""Largest encoded message: 0.9 MiB of noise is 1.26 MB once it is base64 in a dead letter."""

MAX_OUTCOME_BYTES: Final = 1024 * 1024 + 12
"""Largest batch of `jobs` and `results`, Kafka's own default: whatever fits must fit `dead-letter` in base64 too."""

PARTITIONS: Final = 12
"""Partitions of each topic: more workers than this share no better, but slots are not bound to partitions."""

_HOUR_MS: Final = 3_600_000

_BY_KAFKA: Final = {"message.timestamp.type": "LogAppendTime"}
"""Kafka dates the messages: it refuses those that a sender, its clock an hour ahead, has dated itself."""


class Topic(StrEnum):
    """The only ways by which services talk to each other."""

    JOBS = "jobs"
    RESULTS = "results"
    DEAD_LETTER = "dead-letter"
    JOB_EVENTS = "job-events"


class Group(StrEnum):
    """Consumer groups; `job-events` has none, each api replica reads all of it."""

    JOB_WORKER = "job-worker"
    RESULT_WORKER = "result-worker"
    DLQ_WORKER = "dlq-worker"


OUTCOME_GROUPS: Final[Mapping[Topic, Group]] = {
    Topic.RESULTS: Group.RESULT_WORKER,
    Topic.DEAD_LETTER: Group.DLQ_WORKER,
}
"""Who applies the outcomes; the dispatcher waits for them before it judges a dead worker."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is made by the set-up step."""

    name: str
    partitions: int = PARTITIONS
    configs: Mapping[str, str] = field(default_factory=dict)


TOPICS: Final[tuple[TopicSpec, ...]] = (
    *(
        TopicSpec(
            name,
            configs={
                **_BY_KAFKA,
                "retention.ms": str(7 * 24 * _HOUR_MS),
                "max.message.bytes": str(MAX_OUTCOME_BYTES),
            },
        )
        for name in (Topic.JOBS, Topic.RESULTS)
    ),
    TopicSpec(
        Topic.DEAD_LETTER,
        configs={
            **_BY_KAFKA,
            "retention.ms": str(30 * 24 * _HOUR_MS),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        },
    ),
    TopicSpec(
        Topic.JOB_EVENTS,
        configs={
            **_BY_KAFKA,
            "retention.ms": str(_HOUR_MS),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        },
    ),
)
"""What the set-up step creates. Brokers never create topics by themselves."""

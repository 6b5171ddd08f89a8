"""What an operator may change about the dlq worker."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from service_chassis.settings import RetentionSection, ServiceSettings


class RetentionSettings(RetentionSection):
    """How long failed jobs and their dead letters are kept."""

    failed: Annotated[
        timedelta,
        Field(description="A week to see why and to redrive; what nobody asked for by then nobody misses"),
    ] = timedelta(days=7)
    dead_letters: Annotated[
        timedelta,
        Field(description="As long as Kafka keeps the topic: evidence outlives the job it speaks of"),
    ] = timedelta(days=30)


class Settings(ServiceSettings):
    """Settings of the dlq worker, read from `RETENTION__DEAD_LETTERS` and friends."""

    retention: RetentionSettings = RetentionSettings()

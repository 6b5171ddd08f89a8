"""What an operator may change about the result worker."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from service_chassis.settings import RetentionSection, ServiceSettings


class RetentionSettings(RetentionSection):
    """How long jobs are kept after their end."""

    succeeded: Annotated[
        timedelta,
        Field(
            description="A week: long enough to ask on Monday about Friday's jobs; the result stays longer"
        ),
    ] = timedelta(days=7)


class Settings(ServiceSettings):
    """Settings of the result worker, read from `RETENTION__SUCCEEDED` and friends."""

    retention: RetentionSettings = RetentionSettings()

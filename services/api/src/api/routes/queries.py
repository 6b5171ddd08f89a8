"""What callers may ask in a query string; anything else is answered 422."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api.moments import in_utc
from api.orders import LETTER_KINDS
from api.throughput import MOST as MOST_MINUTES
from job_contracts.lifecycle import JobState

Short = Annotated[str, Field(min_length=1, max_length=255)]

_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:.*")


def _rfc_3339(value: Any) -> Any:
    # pydantic would take a bare number for seconds since 1970.
    if not _DATE_TIME.fullmatch(str(value)):
        raise ValueError("Input should be an RFC 3339 date-time")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(in_utc)]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobQuery(_Query):
    """Filters of GET /jobs."""

    state: Annotated[list[JobState], Field(description="Repeated: any of them")] = []
    task: Short | None = None
    tag: Annotated[list[Short], Field(max_length=16, description="Repeated: all of them")] = []
    batch: Short | None = None
    unique_key: Short | None = None
    error_type: Short | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    order: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=1_024, description="`next_cursor` of the page before")] | None = (
        None
    )


class EventQuery(_Query):
    """Filters of GET /events."""

    state: Annotated[list[JobState], Field(description="Repeated: any of them")] = []
    task: Short | None = None
    tag: Annotated[list[Short], Field(max_length=16, description="Repeated: all of them")] = []
    batch: Short | None = None


class StatsQuery(_Query):
    """What GET /stats shall say besides."""

    minutes: Annotated[
        int | None, Field(ge=1, le=MOST_MINUTES, description="Adds a series of the last minutes, by task")
    ] = None


class DeadLetterQuery(_Query):
    """Filters of GET /dead-letters."""

    kind: Annotated[str, Field(pattern=LETTER_KINDS)] | None = None
    task: Short | None = None
    error_type: Short | None = None
    after: Moment | None = None
    before: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=1_024, description="`next_cursor` of the page before")] | None = (
        None
    )

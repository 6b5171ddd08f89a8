"""What callers may ask in a query string; anything else is answered 422."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from job_contracts.lifecycle import JobState

Short = Annotated[str, Field(min_length=1, max_length=255)]


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
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
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


class DeadLetterQuery(_Query):
    """Filters of GET /dead-letters."""

    kind: Short | None = None
    task: Short | None = None
    error_type: Short | None = None
    after: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=1_024, description="`next_cursor` of the page before")] | None = (
        None
    )

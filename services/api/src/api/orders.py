"""What people may ask for about jobs, dead letters and tasks that are there: the bodies of these calls."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from api.forms import Priority
from job_contracts.lifecycle import ErrorKind

Short = Annotated[str, Meta(min_length=1, max_length=255)]
LETTER_KINDS: Final = f"^({'|'.join([*map(str, ErrorKind), 'message_rejected'])})$"
"""What a dead letter may be."""

DryRun = Annotated[bool, Meta(description="Change nothing; only count what would be changed")]


class Redrive(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to start a failed job anew: the optional body of POST /jobs/{id}/redrive."""

    payload: Annotated[Raw, Meta(description="Takes the place of the job's payload")] | UnsetType = UNSET
    force: Annotated[bool, Meta(description="Redrive beyond the limit")] = False


class Reschedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change about a waiting job: the body of PATCH /jobs/{id}."""

    run_at: (
        Annotated[datetime, Meta(tz=True, description="Not before this moment, within 366 days")] | UnsetType
    ) = UNSET
    priority: Priority | UnsetType = UNSET


class CancelFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which live jobs to stop; at least one field."""

    state: Literal["pending", "waiting", "running"] | UnsetType = UNSET
    task: Short | UnsetType = UNSET
    tag: Short | UnsetType = UNSET
    batch: Short | UnsetType = UNSET


class CancelMany(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /jobs/cancel."""

    filter: CancelFilter
    dry_run: DryRun = False


class RedriveFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose jobs to start anew: of dead letters that pass all that is given."""

    kind: Annotated[str, Meta(pattern=LETTER_KINDS)] | UnsetType = UNSET
    task: Short | UnsetType = UNSET
    error_type: Short | UnsetType = UNSET
    after: Annotated[datetime, Meta(tz=True, description="Stored at this moment or later")] | UnsetType = (
        UNSET
    )
    before: Annotated[datetime, Meta(tz=True, description="Stored before this moment")] | UnsetType = UNSET


class RedriveMany(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /dead-letters/redrive."""

    filter: RedriveFilter
    rate_per_second: (
        Annotated[
            float,
            Meta(ge=0.01, le=10_000, description="Jobs start one after the other at this rate; else at once"),
        ]
        | UnsetType
    ) = UNSET
    dry_run: DryRun = False


class PauseOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The optional body of POST /tasks/{name}/pause."""

    reason: (
        Annotated[str, Meta(min_length=1, max_length=300, description="For those who find it paused")]
        | UnsetType
    ) = UNSET


class Use(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which search has found the picture that is used: the body of POST /images/{id}/used."""

    job: Annotated[str, Meta(description="Its id")]

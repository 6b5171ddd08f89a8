"""What people do to many jobs at once: stop, redrive."""

from datetime import datetime
from typing import TypeVar

from fastapi import APIRouter
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answers import LongRoute, answer_of, read_json_body
from api.cancelling import Cancelling, live_jobs
from api.dead_letters import LetterFilters
from api.forms import Reader
from api.moments import in_utc
from api.orders import CancelFilter, CancelMany, RedriveMany
from api.problems import FieldError, invalid
from api.redriving import Redriving
from api.settings import OWNER

T = TypeVar("T")


def many_routes(*, cancelling: Cancelling, redriving: Redriving, body_limit: int) -> APIRouter:
    """Return the paths by which people move many jobs."""
    router = APIRouter(route_class=LongRoute)
    cancels, redrives = Reader(CancelMany), Reader(RedriveMany)

    @router.post(
        "/jobs/cancel", status_code=202, summary="Stop all live jobs that pass a filter", tags=["jobs"]
    )
    async def cancel_jobs(request: Request) -> Response:
        order = cancels.take(await read_json_body(request.scope, request.receive, limit=body_limit))
        wanted = order.filter
        if wanted == CancelFilter():
            raise invalid([FieldError("/filter", "must name a state, task, tag or batch")])
        filters = live_jobs(
            state=_given(wanted.state),
            task=_given(wanted.task),
            tag=_given(wanted.tag),
            batch=_given(wanted.batch),
        )
        done = await cancelling.cancel(filters, owner=OWNER, dry_run=order.dry_run)
        return answer_of(done, 200 if order.dry_run else 202)

    @router.post(
        "/dead-letters/redrive",
        status_code=202,
        summary="Start the jobs of all dead letters anew that pass a filter",
        tags=["dead letters"],
    )
    async def redrive_jobs(request: Request) -> Response:
        order = redrives.take(await read_json_body(request.scope, request.receive, limit=body_limit))
        wanted = order.filter
        filters = LetterFilters(
            kind=_given(wanted.kind),
            task=_given(wanted.task),
            error_type=_given(wanted.error_type),
            after=_moment(wanted.after, "/filter/after"),
            before=_moment(wanted.before, "/filter/before"),
        )
        done = await redriving.redrive(
            filters, owner=OWNER, rate=_given(order.rate_per_second), dry_run=order.dry_run
        )
        return answer_of(done, 200 if order.dry_run else 202)

    return router


def _moment(moment: datetime | UnsetType, pointer: str) -> datetime | None:
    try:
        return None if moment is UNSET else in_utc(moment)
    except ValueError as error:
        raise invalid([FieldError(pointer, str(error))]) from error


def _given(value: T | UnsetType) -> T | None:
    return None if value is UNSET else value

"""Reading one job: at once, or when it has changed."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import LongRoute, in_time, json_answer
from api.conditional import knows
from api.legible import Legible, moment_of, shown_job
from api.problems import job_not_found
from api.settings import OWNER
from api.store import MongoJobStore
from api.waiting import Waiting, applied, wait_of
from job_contracts.lifecycle import FINAL
from job_contracts.messages import is_job_id
from job_contracts.record import INLINE_LIMIT


def one_job_routes(*, store: MongoJobStore, waiting: Waiting, legible: Legible) -> APIRouter:
    """Return the path by which a job is read."""
    router = APIRouter(route_class=LongRoute, tags=["jobs"])

    @router.get("/jobs/{job_id}", summary="Read a job")
    async def get_job(job_id: str, request: Request) -> Response:
        seconds = wait_of(request.headers.getlist("prefer"))
        known = request.headers.get("if-none-match")
        headers = {"cache-control": "no-cache"}
        async with waiting.watching(job_id, seconds, request.scope, request.receive) as mailbox:
            record = await in_time(stored_job(store, job_id))
            if mailbox is not None:
                headers |= [applied(seconds)]
                moment = legible.one(record, moment_of, of="job")
                # An ended job will not change, and what the client does not know is news enough.
                is_news = record["state"] in FINAL or (known is not None and not knows(known, _etag(record)))
                if not is_news and await waiting.change_after(moment, mailbox, seconds=seconds):
                    record = await in_time(stored_job(store, job_id))
        headers["etag"] = legible.one(record, _etag, of="job")
        if knows(known, headers["etag"]):
            return Response(None, 304, headers)
        result = await in_time(store.result(record, limit=INLINE_LIMIT))
        view = legible.one(record, lambda stored: shown_job(stored, result), of="job")
        return json_answer(bytes(view), headers=headers)

    return router


async def stored_job(store: MongoJobStore, job_id: str, *, history: bool = False) -> Mapping[str, Any]:
    """Return a stored job; `Problem` if there is none."""
    record = await store.job(job_id, owner=OWNER, history=history) if is_job_id(job_id) else None
    if record is None:
        raise job_not_found(job_id)
    return record


def _etag(record: Mapping[str, Any]) -> str:
    version, revision = moment_of(record)
    return f'"{version}.{revision}"'

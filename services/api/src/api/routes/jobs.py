"""Reading jobs: the list, and of one its result, its attempts, its log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from msgspec import UNSET, Raw, Struct, UnsetType
from starlette.responses import Response

from api.answers import PatientRoute, answer_of, json_answer
from api.legible import Legible, shown_job
from api.listing import LIST_LIMIT, JobFilters, read_job_cursor, write_cursor
from api.problems import NO_RESULT, Problem
from api.routes.one_job import stored_job
from api.routes.queries import JobQuery
from api.settings import OWNER
from api.store import MongoJobStore


class AttemptError(Struct, frozen=True, kw_only=True):
    """How a run failed; with a kind if the job failed with it."""

    type: str
    message: str
    kind: str | UnsetType = UNSET


class Attempt(Struct, frozen=True, kw_only=True):
    """One run of a job; the running one has no outcome yet."""

    attempt: int
    worker: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error: AttemptError | None


class LogLine(Struct, frozen=True, kw_only=True):
    """What the task has told while it ran."""

    at: datetime
    attempt: int
    level: str
    message: str


class JobPage(Struct, frozen=True):
    """A page of jobs."""

    jobs: list[Raw]
    next_cursor: str | None


def job_routes(*, store: MongoJobStore, legible: Legible) -> APIRouter:
    """Return the paths by which jobs are read."""
    router = APIRouter(route_class=PatientRoute, tags=["jobs"])

    @router.get("/jobs", summary="List jobs")
    async def list_jobs(query: Annotated[JobQuery, Query()]) -> Response:
        filters = JobFilters(
            states=[str(state) for state in query.state],
            task=query.task,
            tags=query.tag,
            batch=query.batch,
            unique_key=query.unique_key,
            error_type=query.error_type,
            created_after=query.created_after,
            created_before=query.created_before,
            newest_first=query.order == "newest",
        )
        after = read_job_cursor(query.cursor, query.order) if query.cursor else None
        walk = await store.query(filters, after, owner=OWNER)
        page = await store.page(walk, limit=query.limit, view_limit=LIST_LIMIT)
        results = await store.results(page.records, LIST_LIMIT)

        def view(record: Mapping[str, Any]) -> Raw:
            return shown_job(record, results.get(record["_id"]), limit=LIST_LIMIT)

        views = legible.shown(page.records, view, of="jobs")
        cursor = write_cursor(query.order, page.last_id) if page.last_id else None
        return answer_of(JobPage(views, cursor))

    @router.get("/jobs/{job_id}/result", summary="Read the result of a job")
    async def get_result(job_id: str) -> Response:
        record = await stored_job(store, job_id)
        result = await store.result(record)
        if result is None:
            raise Problem(NO_RESULT, f"the job is {record.get('state')}")
        return json_answer(bytes(legible.one(record, lambda _: Raw(result), of="result")))

    @router.get("/jobs/{job_id}/attempts", summary="Read the attempts of a job")
    async def get_attempts(job_id: str) -> Response:
        record = await stored_job(store, job_id, history=True)
        return answer_of(legible.one(record, _attempts, of="attempts"))

    @router.get("/jobs/{job_id}/logs", summary="Read what the task has told")
    async def get_logs(job_id: str) -> Response:
        record = await stored_job(store, job_id, history=True)
        return answer_of(legible.one(record, _logs, of="logs"))

    return router


def _logs(record: Mapping[str, Any]) -> list[LogLine]:
    return [
        LogLine(at=line["at"], attempt=line["attempt"], level=line["level"], message=line["message"])
        for line in record.get("logs", [])
    ]


def _attempts(record: Mapping[str, Any]) -> list[Attempt]:
    attempts = [
        Attempt(
            attempt=past["attempt"],
            worker=past.get("worker"),
            started_at=past.get("started_at"),
            finished_at=past.get("finished_at"),
            outcome=past.get("outcome"),
            error=past.get("error"),
        )
        for past in record.get("attempts", [])
    ]
    if record["state"] == "running":
        running = Attempt(
            attempt=record["failures"] + 1,
            worker=record.get("worker"),
            started_at=record["started_at"],
            finished_at=None,
            outcome=None,
            error=None,
        )
        attempts.append(running)
    return attempts

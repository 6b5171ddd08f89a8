"""What people do to a job: stop, put off, redrive, remove."""

import msgspec
from fastapi import APIRouter
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from api.answers import PatientRoute, json_answer, read_json_body, refuse_other_bodies
from api.catalogue import Catalogue
from api.forms import Reader, decode_part
from api.moving import Moving
from api.orders import Redrive, Reschedule
from api.problems import FieldError, invalid, job_not_found
from api.settings import OWNER
from job_contracts.messages import is_job_id
from job_contracts.personal import LOW


def move_routes(*, moving: Moving, catalogue: Catalogue, body_limit: int) -> APIRouter:
    """Return the paths by which people move jobs."""
    router = APIRouter(route_class=PatientRoute, tags=["jobs"])
    redrives, reschedules = Reader(Redrive), Reader(Reschedule)

    @router.post("/jobs/{job_id}/cancel", summary="Stop a job")
    async def cancel_job(job_id: str, request: Request) -> Response:
        await refuse_other_bodies(request)
        if not is_job_id(job_id):
            raise job_not_found(job_id)
        return json_answer(await moving.cancel(job_id, owner=OWNER))

    @router.patch("/jobs/{job_id}", summary="Give a waiting job another time or priority")
    async def reschedule_job(job_id: str, request: Request) -> Response:
        if not is_job_id(job_id):
            raise job_not_found(job_id)
        form = reschedules.take(await read_json_body(request.scope, request.receive, limit=body_limit))
        if form == Reschedule():
            raise invalid([FieldError("", "give run_at, priority, or both")])
        view = await moving.reschedule(
            job_id,
            owner=OWNER,
            run_at=None if form.run_at is UNSET else form.run_at,
            low=None if form.priority is UNSET else form.priority == LOW,
        )
        return json_answer(view)

    @router.post("/jobs/{job_id}/redrive", status_code=202, summary="Start a failed job anew")
    async def redrive_job(job_id: str, request: Request) -> Response:
        if not is_job_id(job_id):
            raise job_not_found(job_id)
        form = Redrive()
        if raw := await read_json_body(request.scope, request.receive, limit=body_limit, optional=True):
            form = redrives.take(raw)
        payload = digest = None
        if form.payload is not UNSET:
            task = await catalogue.task((await moving.failed(job_id, owner=OWNER))["task"])
            document = decode_part(form.payload, raw)
            if wrong := task.errors(document):
                raise invalid(wrong)
            payload = msgspec.json.format(form.payload, indent=-1).decode()
            digest = task.digest
        view = await moving.redrive(job_id, owner=OWNER, payload=payload, digest=digest, force=form.force)
        return json_answer(view, 202, {"location": f"/jobs/{job_id}"})

    @router.delete("/jobs/{job_id}", status_code=204, summary="Remove an ended job")
    async def delete_job(job_id: str, request: Request) -> Response:
        await refuse_other_bodies(request)
        if not is_job_id(job_id):
            raise job_not_found(job_id)
        await moving.remove(job_id, owner=OWNER)
        return Response(None, 204)

    return router

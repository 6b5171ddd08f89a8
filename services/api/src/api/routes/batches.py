"""Many jobs at once: submitting them, and how they stand."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import LongRoute, PatientRoute, answer_of, idempotency_key, read_json_body
from api.batching import Batching
from api.settings import OWNER


def batch_routes(*, batching: Batching, body_limit: int) -> list[APIRouter]:
    """Return the paths of batches."""
    # A large body may take its time; storing it has a patience of its own.
    posting, reading = APIRouter(route_class=LongRoute), APIRouter(route_class=PatientRoute)

    @posting.post("/jobs/batch", status_code=202, summary="Submit many jobs, all or none", tags=["jobs"])
    async def submit_batch(request: Request) -> Response:
        raw = await read_json_body(request.scope, request.receive, limit=body_limit)
        accepted = await batching.accept(
            raw,
            owner=OWNER,
            key=idempotency_key(request.scope),
            traceparent=request.headers.get("traceparent", "")[:64] or None,
        )
        answer = answer_of(accepted.answer, 202 if accepted.is_new else 200)
        answer.headers["location"] = f"/batches/{accepted.answer.batch}"
        return answer

    @reading.get("/batches/{batch_id}", summary="How a batch stands", tags=["jobs"])
    async def get_batch(batch_id: str) -> Response:
        return answer_of(await batching.look(batch_id, owner=OWNER))

    return [posting, reading]

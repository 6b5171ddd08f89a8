"""The catalogue, and which of its tasks are paused."""

from fastapi import APIRouter
from msgspec import UNSET, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answers import PatientRoute, answer_of, read_json_body, refuse_other_bodies
from api.catalogue import Catalogue, TaskView
from api.forms import Reader
from api.orders import PauseOrder
from api.pausing import Pausing
from api.problems import NOT_FOUND, Problem


class TaskPage(Struct, frozen=True):
    """All tasks."""

    tasks: list[TaskView]
    next_cursor: None = None


def task_routes(*, catalogue: Catalogue, pausing: Pausing, body_limit: int) -> APIRouter:
    """Return the paths of tasks."""
    router = APIRouter(route_class=PatientRoute, tags=["tasks"])
    pauses = Reader(PauseOrder)

    @router.get("/tasks", summary="List tasks")
    async def list_tasks() -> Response:
        return answer_of(TaskPage(await catalogue.views()))

    @router.get("/tasks/{name}", summary="Read a task")
    async def get_task(name: str) -> Response:
        found = next((view for view in await catalogue.views() if view.name == name), None)
        if found is None:
            raise Problem(NOT_FOUND, f"no task {name[:100]!r}")
        return answer_of(found)

    @router.post("/tasks/{name}/pause", summary="Let the jobs of a task wait")
    async def pause_task(name: str, request: Request) -> Response:
        order = PauseOrder()
        if raw := await read_json_body(request.scope, request.receive, limit=body_limit, optional=True):
            order = pauses.take(raw)
        return answer_of(await pausing.pause(name, reason=None if order.reason is UNSET else order.reason))

    @router.post("/tasks/{name}/resume", summary="Let the jobs of a task go on")
    async def resume_task(name: str, request: Request) -> Response:
        await refuse_other_bodies(request)
        return answer_of(await pausing.resume(name))

    return router

"""The OpenAPI document: what FastAPI knows, and the schemas of what passes by it as bytes."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.catalogue import TaskView
from api.dead_letters import DeadLetterPage, DeadLetterView
from api.forms import Redrive, Submission
from api.problems import ProblemBody
from api.routes.jobs import Attempt, JobPage
from api.routes.reading import TaskPage
from api.statistics import Stats
from job_contracts.views import JobView

_REF: Final = "#/components/schemas/{name}"
_SHAPES: Final = [
    Attempt,
    DeadLetterPage,
    DeadLetterView,
    JobPage,
    JobView,
    ProblemBody,
    Redrive,
    Stats,
    Submission,
    TaskPage,
    TaskView,
]

_ANSWERS: Final = {
    ("/jobs", "get"): ("200", "JobPage"),
    ("/jobs/{job_id}", "get"): ("200", "JobView"),
    ("/jobs/{job_id}/cancel", "post"): ("200", "JobView"),
    ("/jobs/{job_id}/redrive", "post"): ("202", "JobView"),
    ("/tasks", "get"): ("200", "TaskPage"),
    ("/tasks/{name}", "get"): ("200", "TaskView"),
    ("/dead-letters", "get"): ("200", "DeadLetterPage"),
    ("/dead-letters/{letter_id}", "get"): ("200", "DeadLetterView"),
    ("/stats", "get"): ("200", "Stats"),
}


def describe(app: FastAPI) -> None:
    """Give the app the whole description; made when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, shapes = msgspec.json.schema_components(_SHAPES, ref_template=_REF)
    for leftover in ("HTTPValidationError", "ValidationError"):
        schemas.pop(leftover, None)
    schemas.update(shapes)
    paths = document["paths"]
    for operations in paths.values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _content("Problem", "ProblemBody", "application/problem+json")
    for (path, method), (status, shape) in _ANSWERS.items():
        paths[path][method]["responses"][status] = _content("The answer", shape)
    paths["/jobs"]["post"] = _submission()
    paths["/jobs/{job_id}/redrive"]["post"]["requestBody"] = _body("Redrive", required=False)
    paths["/events"] = {"get": _stream("Watch all jobs", paths["/jobs"]["get"]["parameters"][:4])}
    by_id = [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    paths["/jobs/{job_id}/events"] = {"get": _stream("Watch a job", by_id)}
    return document


def _submission() -> dict[str, Any]:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "maxLength": 255},
        "description": "The same key with the same bytes answers with the first job",
    }
    return {
        "tags": ["jobs"],
        "summary": "Submit a job",
        "parameters": [key],
        "requestBody": _body("Submission", required=True),
        "responses": {
            "202": _content("Accepted: the job will end in exactly one final state", "JobView"),
            "200": _content("The job an earlier request with this key made", "JobView"),
            "default": _content("Problem", "ProblemBody", "application/problem+json"),
        },
    }


def _stream(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "tags": ["events"],
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "Server-sent events", "content": {"text/event-stream": {}}},
            "default": _content("Problem", "ProblemBody", "application/problem+json"),
        },
    }


def _body(shape: str, *, required: bool) -> dict[str, Any]:
    return {
        "required": required,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name=shape)}}},
    }


def _content(description: str, shape: str, media_type: str = "application/json") -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=shape)}
    return {"description": description, "content": {media_type: {"schema": schema}}}

"""The OpenAPI document: what FastAPI knows, and the schemas of what passes by it as bytes."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.batching import BatchAnswer, BatchView
from api.cancelling import CancelledMany
from api.catalogue import TaskView
from api.forms import BatchSubmission, Submission
from api.letter_views import DeadLetterPage, DeadLetterView, LetterGroups
from api.orders import CancelMany, PauseOrder, Redrive, RedriveMany, Reschedule
from api.problems import ProblemBody
from api.redriving import RedrivenMany
from api.routes.jobs import Attempt, JobPage, LogLine
from api.routes.tasks import TaskPage
from api.statistics import Stats
from job_contracts.views import JobView

_REF: Final = "#/components/schemas/{name}"
_SHAPES: Final = [
    Attempt,
    BatchAnswer,
    BatchSubmission,
    BatchView,
    CancelMany,
    CancelledMany,
    DeadLetterPage,
    DeadLetterView,
    JobPage,
    JobView,
    LetterGroups,
    LogLine,
    PauseOrder,
    ProblemBody,
    Redrive,
    RedriveMany,
    RedrivenMany,
    Reschedule,
    Stats,
    Submission,
    TaskPage,
    TaskView,
]

_ANSWERS: Final = {
    ("/jobs", "get"): ("200", "JobPage"),
    ("/jobs/batch", "post"): ("202", "BatchAnswer"),
    ("/batches/{batch_id}", "get"): ("200", "BatchView"),
    ("/jobs/cancel", "post"): ("202", "CancelledMany"),
    ("/jobs/{job_id}", "get"): ("200", "JobView"),
    ("/jobs/{job_id}", "patch"): ("200", "JobView"),
    ("/jobs/{job_id}/cancel", "post"): ("200", "JobView"),
    ("/jobs/{job_id}/redrive", "post"): ("202", "JobView"),
    ("/tasks", "get"): ("200", "TaskPage"),
    ("/tasks/{name}", "get"): ("200", "TaskView"),
    ("/tasks/{name}/pause", "post"): ("200", "TaskView"),
    ("/tasks/{name}/resume", "post"): ("200", "TaskView"),
    ("/dead-letters/redrive", "post"): ("202", "RedrivenMany"),
    ("/dead-letters", "get"): ("200", "DeadLetterPage"),
    ("/dead-letters/groups", "get"): ("200", "LetterGroups"),
    ("/dead-letters/{letter_id}", "get"): ("200", "DeadLetterView"),
    ("/stats", "get"): ("200", "Stats"),
}

_BODIES: Final = {
    ("/jobs/batch", "post"): ("BatchSubmission", True),
    ("/jobs/cancel", "post"): ("CancelMany", True),
    ("/jobs/{job_id}", "patch"): ("Reschedule", True),
    ("/jobs/{job_id}/redrive", "post"): ("Redrive", False),
    ("/dead-letters/redrive", "post"): ("RedriveMany", True),
    ("/tasks/{name}/pause", "post"): ("PauseOrder", False),
}
"""Which body a call takes, and whether it must."""


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
    for (path, method), (shape, required) in _BODIES.items():
        paths[path][method]["requestBody"] = _body(shape, required=required)
    for path in ("/jobs/cancel", "/dead-letters/redrive"):
        responses = paths[path]["post"]["responses"]
        responses["200"] = {**responses["202"], "description": "A dry run: what would be done"}
    for history, shape in (("attempts", "Attempt"), ("logs", "LogLine")):
        paths[f"/jobs/{{job_id}}/{history}"]["get"]["responses"]["200"] = _listed(shape)
    paths["/jobs"]["post"] = _submission()
    schemas["BatchSubmission"]["properties"]["jobs"]["items"] = {"$ref": _REF.format(name="Submission")}
    paths["/jobs/batch"]["post"]["parameters"] = [_KEY]
    paths["/jobs/{job_id}"]["get"]["parameters"].append(_PREFER)
    paths["/events"] = {"get": _stream("Watch all jobs", paths["/jobs"]["get"]["parameters"][:4])}
    by_id = [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    paths["/jobs/{job_id}/events"] = {"get": _stream("Watch a job", by_id)}
    return document


_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key with the same bytes answers with what the first request made",
}


_PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "example": "wait=10",
    "description": "`wait=N`: answer when the job has ended (a submission) or changed, after N seconds (30) at most",
}


def _submission() -> dict[str, Any]:
    return {
        "tags": ["jobs"],
        "summary": "Submit a job",
        "parameters": [_KEY, _PREFER],
        "requestBody": _body("Submission", required=True),
        "responses": {
            "202": _content("Accepted: the job will end in exactly one final state", "JobView"),
            "200": _content(
                "The job, ended if it was waited for, of an earlier request with this key, or with the unique_key",
                "JobView",
            ),
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


def _listed(shape: str) -> dict[str, Any]:
    schema = {"type": "array", "items": {"$ref": _REF.format(name=shape)}}
    return {"description": "The answer", "content": {"application/json": {"schema": schema}}}


def _content(description: str, shape: str, media_type: str = "application/json") -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=shape)}
    return {"description": description, "content": {media_type: {"schema": schema}}}

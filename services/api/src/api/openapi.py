"""The OpenAPI document: what FastAPI knows, and the schemas of what passes by it as bytes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.batching import BatchAnswer, BatchView
from api.cancelling import CancelledMany
from api.catalogue import TaskView
from api.forms import BatchSubmission, Submission
from api.letter_views import DeadLetterPage, DeadLetterView, LetterGroups
from api.orders import CancelMany, PauseOrder, Redrive, RedriveMany, Reschedule, Use
from api.problems import ProblemBody
from api.redriving import RedrivenMany
from api.routes.jobs import Attempt, JobPage, LogLine
from api.routes.tasks import TaskPage
from api.statistics import Stats
from api.submission import KEY_LENGTH, KEY_PATTERN
from job_contracts.lifecycle import ErrorKind, JobState, WaitReason
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
    Use,
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
    ("/images/{image_id}/used", "post"): ("202", "JobView"),
}

_BODIES: Final = {
    ("/jobs/batch", "post"): ("BatchSubmission", True),
    ("/jobs/cancel", "post"): ("CancelMany", True),
    ("/jobs/{job_id}", "patch"): ("Reschedule", True),
    ("/jobs/{job_id}/redrive", "post"): ("Redrive", False),
    ("/dead-letters/redrive", "post"): ("RedriveMany", True),
    ("/tasks/{name}/pause", "post"): ("PauseOrder", False),
    ("/images/{image_id}/used", "post"): ("Use", True),
}
"""Which body a call takes, and whether it must."""


_WORDS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "JobState": ("Where a job stands.", [*JobState]),
    "WaitReason": ("Why a waiting job waits.", [*WaitReason]),
    "ErrorKind": ("Why a job failed for good.", [*ErrorKind]),
    "Priority": ("low yields to jobs that are normal.", ["normal", "low"]),
    "PausedBy": ("Who has paused a task.", ["person", "brake"]),
    "BreakerState": ("Whether an upstream is called.", ["closed", "open", "half_open"]),
}
"""Fields that hold one of some words. In the structs they are plain text, as they stand in records."""

_WORDS_IN: Final[Mapping[str, Mapping[str, str]]] = {
    "JobView": {"state": "JobState", "reason": "WaitReason", "priority": "Priority"},
    "JobError": {"kind": "ErrorKind"},
    "AttemptError": {"kind": "ErrorKind"},
    "BatchedJob": {"state": "JobState"},
    "PauseView": {"by": "PausedBy"},
    "BreakerView": {"state": "BreakerState"},
}

_INSIDE: Final[Mapping[tuple[str, str], str]] = {
    ("JobPage", "jobs"): "JobView",
    ("BatchSubmission", "jobs"): "Submission",
}
"""What the items are of lists that pass as bytes."""


def shapes() -> dict[str, Any]:
    """Return the schemas of all that is sent and answered, by name."""
    _, found = msgspec.json.schema_components(_SHAPES, ref_template=_REF)
    for name, (why, words) in _WORDS.items():
        found[name] = {
            "title": name,
            "description": why,
            "type": "string",
            "enum": [str(word) for word in words],
        }
    for shape in found.values():
        if "properties" in shape and shape.get("additionalProperties") is not False:
            # What is answered has all its fields, also those that have a default in the struct.
            always = [name for name, field in shape["properties"].items() if "default" in field]
            shape["required"] = [*shape["required"], *always]
    for name in ("CancelFilter", "Reschedule"):
        found[name]["minProperties"] = 1
    for owner, fields in _WORDS_IN.items():
        for field, name in fields.items():
            schema = found[owner]["properties"][field]
            ref = {"$ref": _REF.format(name=name)}
            found[owner]["properties"][field] = (
                {"anyOf": [ref, {"type": "null"}]} if "anyOf" in schema else ref
            )
    for (owner, field), name in _INSIDE.items():
        found[owner]["properties"][field]["items"] = {"$ref": _REF.format(name=name)}
    return found


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
    for leftover in ("HTTPValidationError", "ValidationError"):
        schemas.pop(leftover, None)
    schemas.update(shapes())
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
    paths["/jobs/batch"]["post"]["parameters"] = [_KEY]
    paths["/jobs/{job_id}"]["get"]["parameters"].append(_PREFER)
    paths["/events"] = {"get": _stream("Watch all jobs", paths["/jobs"]["get"]["parameters"][:4])}
    by_id = [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    paths["/jobs/{job_id}/events"] = {"get": _stream("Watch a job", by_id)}
    return document


_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": KEY_PATTERN},
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

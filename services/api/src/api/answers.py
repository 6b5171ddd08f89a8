"""How every answer leaves: JSON as ready bytes, every error as application/problem+json."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from api.problems import (
    INTERNAL_ERROR,
    KINDS,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    Kind,
    Problem,
    invalid,
    pointer_of,
    unavailable,
)
from service_chassis.mongo import is_outage
from service_chassis.server import Receive, Scope, Send

log = logging.getLogger(__name__)

_JSON: Final = "application/json"


def json_answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with ready JSON."""
    return Response(body, status, headers, media_type=_JSON)


def answer_of(value: Any) -> Response:
    """Answer with a value as JSON."""
    return json_answer(msgspec.json.encode(value))


async def send_json(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Answer with ready JSON on bare ASGI, for the paths where a Response object is felt."""
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def read_json_body(scope: Scope, receive: Receive, *, limit: int, optional: bool = False) -> bytes:
    """Return the body of a request that must be JSON.

    Raises
    ------
    Problem
        It says it is something else, or it is longer than `limit`, announced or not.
    """
    media_type = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value
        elif name == b"content-encoding":
            raise Problem(UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding")
        elif name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest(receive, body, limit)
    if len(body) > limit:
        raise _too_large(limit)
    if optional and not body:
        return b""
    if media_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json")
    return body


async def _rest(receive: Receive, first: bytes, limit: int) -> bytes:
    body = bytearray(first)
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(body)


def _too_large(limit: int) -> Problem:
    return Problem(TOO_LARGE, f"the body may have {limit} bytes")


class PatientRoute(APIRoute):
    """A route that gives up on a slow database in time, and takes no query it does not know."""

    patience = timedelta(seconds=2.5)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with a deadline around it."""
        handle = super().get_route_handler()
        knows_queries = bool(self.dependant.query_params)

        async def patient(request: Request) -> Response:
            if request.url.query and not knows_queries:
                names = list(request.query_params)
                raise invalid([FieldError(pointer_of([n]), "no such query parameter") for n in names])
            try:
                async with asyncio.timeout(self.patience.total_seconds()):
                    return await handle(request)
            except TimeoutError as error:
                raise unavailable("the database did not answer in time") from error

        return patient


def answer_errors_as_problems(app: FastAPI) -> None:
    """Have the app answer whatever goes wrong as a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_query)
    app.add_exception_handler(PyMongoError, _on_database_error)
    app.add_exception_handler(Exception, _on_bug)


def problem_answer(problem: Problem, path: str) -> Response:
    """Answer with a problem."""
    return Response(problem.body(path), problem.kind.status, problem.headers, media_type=MEDIA_TYPE)


Handler = Callable[[Request, Exception], Awaitable[Response]]


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  registered for this class
    return problem_answer(error, request.url.path)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    path = request.url.path
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        problem = Problem(METHOD_NOT_ALLOWED, f"{path} takes {allowed}", headers={"allow": allowed})
    elif error.status_code == 404:
        problem = Problem(NOT_FOUND, f"no such path: {path[:200]}")
    else:
        title = str(error.detail)
        kind = next((k for k in KINDS.values() if k.status == error.status_code), None)
        problem = Problem(kind or Kind("http", error.status_code, title, ""), title, headers=error.headers)
    return problem_answer(problem, path)


def _methods_of(request: Request) -> list[str]:
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods)


async def _on_invalid_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
    errors = []
    for fault in error.errors():
        where = fault["loc"][1:]
        unknown = fault["type"] == "extra_forbidden"
        errors.append(FieldError(pointer_of(where), "no such query parameter" if unknown else fault["msg"]))
    return problem_answer(invalid(errors), request.url.path)


async def _on_database_error(request: Request, error: Exception) -> Response:
    if is_outage(error):
        log.info("request.no_database", extra={"path": request.url.path, "reason": str(error)[:200]})
        return problem_answer(unavailable("the database does not answer"), request.url.path)
    return await _on_bug(request, error)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("request.failed", extra={"path": request.url.path}, exc_info=error)
    return problem_answer(Problem(INTERNAL_ERROR, "the request failed; the log says why"), request.url.path)

"""How every answer leaves: JSON as ready bytes, every error as application/problem+json."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pymongo.errors import PyMongoError
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from api.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
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

_CHARSETS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii"})
"""Those that JSON is sent in."""

_NO_BODY: Final = 64 * 1024
_MAX_PARAMETERS: Final = 100
_LISTS: Final = frozenset({"state", "tag"})
"""Query parameters that may be repeated."""

T = TypeVar("T")


def json_answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with ready JSON."""
    return Response(body, status, headers, media_type=_JSON)


def answer_of(value: Any, status: int = 200) -> Response:
    """Answer with a value as JSON."""
    return json_answer(msgspec.json.encode(value), status)


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
    if not is_json(media_type):
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json, in UTF-8")
    return body


async def refuse_other_bodies(request: Request) -> None:
    """Raise `Problem` if a call that takes no body comes with one that is no JSON, as forms of other sites do."""
    await read_json_body(request.scope, request.receive, limit=_NO_BODY, optional=True)


def idempotency_key(scope: Scope) -> str | None:
    """Return the Idempotency-Key; `Problem` if two say different things."""
    keys = {value for name, value in scope["headers"] if name == b"idempotency-key"}
    if len(keys) > 1:
        raise Problem(INVALID_REQUEST, "two Idempotency-Keys, and they differ")
    return keys.pop().decode("latin-1") if keys else None


def check_query(scope: Scope) -> None:
    """Raise `Problem` if a query string is too long to be looked at, or gives one thing two values."""
    query = scope["query_string"]
    if query.count(b"&") > _MAX_PARAMETERS:
        raise invalid([FieldError("", f"a query has at most {_MAX_PARAMETERS} parameters")])
    if b"&" not in query:
        return
    params = QueryParams(query)
    twice = [
        name
        for name, count in Counter(name for name, _ in params.multi_items()).items()
        if count > 1 and name not in _LISTS
    ]
    if twice:
        raise invalid([FieldError(pointer_of([name]), "is given twice") for name in twice])


def refuse_any_query(scope: Scope) -> None:
    """Raise `Problem` if a call that takes no query has one."""
    if query := scope.get("query_string"):
        names = list(QueryParams(query)) or [""]
        raise invalid([FieldError(pointer_of([name]), "no such query parameter") for name in names])


def is_json(media_type: bytes) -> bool:
    """Whether a Content-Type says JSON, in an encoding that JSON is sent in."""
    if media_type == b"application/json":
        return True
    kind, *parameters = (part.strip() for part in media_type.lower().split(b";"))
    said = [part.partition(b"=") for part in parameters]
    charsets = {value.strip(b' "') for name, _, value in said if name.strip() == b"charset"}
    return kind == b"application/json" and charsets <= _CHARSETS


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


_PATIENCE: Final = timedelta(seconds=2.5)


async def in_time(answer: Awaitable[T], *, patience: timedelta = _PATIENCE) -> T:
    """Return the answer, or give up on a slow database in time."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return await answer
    except TimeoutError as error:
        raise unavailable("the database did not answer in time") from error


class PatientRoute(APIRoute):
    """A route that gives up on a slow database in time, and takes no query it does not know."""

    patience = _PATIENCE

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with a deadline around it."""
        handle = super().get_route_handler()
        knows_queries = bool(self.dependant.query_params)

        async def patient(request: Request) -> Response:
            if not knows_queries:
                refuse_any_query(request.scope)
            return await in_time(handle(request), patience=self.patience)

        return patient


class LongRoute(PatientRoute):
    """A route for work on very many documents, or for waiting, which looks after its own time."""

    patience = timedelta(seconds=60)


def answer_errors_as_problems(app: FastAPI) -> None:
    """Have the app answer whatever goes wrong as a problem."""
    for error in (Problem, HTTPException, RequestValidationError, PyMongoError, Exception):
        app.add_exception_handler(error, _on_error)


async def send_problem(scope: Scope, send: Send, error: Exception) -> None:
    """Answer with what went wrong, on bare ASGI."""
    problem = problem_of(error, scope["path"])
    body = problem.body(scope["path"])
    start = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    start += [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.kind.status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def problem_of(error: Exception, path: str) -> Problem:
    """Return what to say of an error; what nobody expected is logged and is our fault."""
    if isinstance(error, Problem):
        return error
    if is_outage(error):
        log.info("request.no_database", extra={"path": path, "reason": str(error)[:200]})
        return unavailable("the database does not answer")
    log.error("request.failed", extra={"path": path}, exc_info=error)
    return Problem(INTERNAL_ERROR, "the request failed; the log says why")


async def _on_error(request: Request, error: Exception) -> Response:
    path = request.url.path
    if isinstance(error, RequestValidationError):
        problem = invalid([field_error(fault["loc"][1:], fault) for fault in error.errors()])
    elif isinstance(error, HTTPException):
        problem = _of_http_exception(request, error)
    else:
        problem = problem_of(error, path)
    return Response(problem.body(path), problem.kind.status, problem.headers, media_type=MEDIA_TYPE)


def field_error(where: Sequence[str | int], fault: Mapping[str, Any]) -> FieldError:
    """Return what pydantic says of a query parameter in our words."""
    unknown = fault["type"] == "extra_forbidden"
    return FieldError(pointer_of(where), "no such query parameter" if unknown else fault["msg"])


def _of_http_exception(request: Request, error: HTTPException) -> Problem:
    path = request.url.path
    if error.status_code == 404:
        return Problem(NOT_FOUND, f"no such path: {path[:200]}")
    if error.status_code == 405:
        return not_with_this_method(path, _methods_of(request))
    title = str(error.detail)
    kind = next((k for k in KINDS.values() if k.status == error.status_code), None)
    return Problem(kind or Kind("http", error.status_code, title, ""), title, headers=error.headers)


def not_with_this_method(path: str, methods: Collection[str]) -> Problem:
    """Return the problem of a path that takes other methods."""
    allowed = ", ".join(sorted(methods))
    return Problem(METHOD_NOT_ALLOWED, f"{path} takes {allowed}", headers={"allow": allowed})


def _methods_of(request: Request) -> set[str]:
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods

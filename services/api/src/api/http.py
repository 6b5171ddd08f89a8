"""The app: which path leads where."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, MutableMapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api import __doc__ as summary
from api.answers import (
    answer_errors_as_problems,
    check_query,
    not_with_this_method,
    refuse_any_query,
    send_problem,
)
from api.manual import manual_page, manual_style
from api.openapi import describe
from api.problems import NOT_FOUND, Problem, unavailable
from service_chassis.server import AsgiApp, Receive, Scope, Send

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_JOB_EVENTS: Final = re.compile(r"/jobs/([^/]+)/events")


class Front:
    """The hot paths, before the framework is asked: what it does around a call costs as much as the call.

    The same endpoints are routes of the app as well, for its 405 answers and its description.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        submit: AsgiApp,
        many: AsgiApp,
        one: AsgiApp,
        methods: Mapping[str, Collection[str]],
    ) -> None:
        self._app, self._submit, self._many, self._one = app, submit, many, one
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with a problem if need be."""
        begun = False

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._answer(scope, receive, noted, lambda: begun)
        except asyncio.CancelledError:
            # The server goes and has waited for this call as long as it may: 503 is true, and tells what to do.
            if begun:
                raise
            await send_problem(
                scope, send, unavailable("this replica goes, and the call took too long for it")
            )

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, has_begun: Callable[[], bool]
    ) -> None:
        try:
            endpoint = self._endpoint(scope)
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        except Exception as error:
            if has_begun():
                raise  # the server logs it and cuts the connection: no second answer inside the first
            await send_problem(scope, send, error)
            return
        await self._app(scope, receive, send)

    def _endpoint(self, scope: Scope) -> AsgiApp | None:
        if scope["type"] != "http":
            return None
        path, method = scope["path"], scope["method"]
        if scope.get("query_string"):
            check_query(scope)
        if method == "POST" and path == "/jobs":
            refuse_any_query(scope)
            return self._submit
        if _CONTROL.search(path):
            # The framework takes a path with a line break behind it for the path itself.
            raise Problem(NOT_FOUND, f"no such path: {path[:200]}")
        if method == "GET":
            if path == "/events":
                return self._many
            if path.endswith("/events") and (match := _JOB_EVENTS.fullmatch(path)):
                refuse_any_query(scope)
                scope["path_params"] = {"job_id": match.group(1)}
                return self._one
        # To the framework /jobs/batch is the job named batch as well, and the methods of jobs would work there.
        if (own := self._methods.get(path)) is not None and method not in own:
            raise not_with_this_method(path, own)
        return None


def _only(path: str, endpoint: AsgiApp, method: str) -> Route:
    """Return a route of this method alone: to the framework GET means HEAD as well, which would open a stream."""
    route = Route(path, endpoint, methods=[method])
    route.methods = {method}
    return route


def http_app(*, submit: AsgiApp, many: AsgiApp, one: AsgiApp, routers: list[APIRouter]) -> AsgiApp:
    """Return the ASGI app."""
    app = FastAPI(
        title="Jobstream",
        version="0.1.0",
        summary=summary,
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.routes += [
        _only("/jobs", submit, "POST"),
        _only("/events", many, "GET"),
        _only("/jobs/{job_id}/events", one, "GET"),
    ]
    for router in routers:
        # Flat, not included: a request then passes one list of routes, and 405 can name the methods.
        app.router.routes += router.routes
    answer_errors_as_problems(app)
    describe(app)

    async def manual(_: Request) -> Response:
        return manual_page(app.openapi())

    async def style(_: Request) -> Response:
        return manual_style()

    app.router.routes += [Route("/docs", manual), Route("/docs/style.css", style)]
    return Front(app, submit=submit, many=many, one=one, methods=_written_out(app.routes))


def _written_out(routes: list[BaseRoute]) -> dict[str, set[str]]:
    """Return the methods of those paths that name nothing: such a path is never the id of something."""
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for route in routes:
        if isinstance(route, Route) and not route.param_convertors:
            methods[route.path] |= route.methods or set()
    return dict(methods)

"""GET /events and GET /jobs/{id}/events: the edge between a query and a stream."""

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from api.answers import field_error
from api.fanout import Filters
from api.following import Following
from api.problems import invalid
from api.routes.queries import EventQuery
from service_chassis.server import Receive, Scope, Send

_LISTS = {"state", "tag"}


class ManyJobs:
    """Serves GET /events on bare ASGI."""

    def __init__(self, following: Following) -> None:
        self._following = following

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Open the stream and serve it until one side ends it."""
        query = _read(scope)
        filters = Filters(
            states=frozenset(map(str, query.state)),
            task=query.task,
            tags=frozenset(query.tag),
            batch=query.batch,
        )
        await self._following.of_many(scope, send, filters)


class OneJob:
    """Serves GET /jobs/{job_id}/events on bare ASGI."""

    def __init__(self, following: Following) -> None:
        self._following = following

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Open the stream and serve it until one side ends it."""
        await self._following.of_job(scope, send)


def _read(scope: Scope) -> EventQuery:
    params = QueryParams(scope["query_string"])
    values = {name: params.getlist(name) if name in _LISTS else params[name] for name in params}
    try:
        return EventQuery.model_validate(values)
    except ValidationError as error:
        raise invalid([field_error(fault["loc"], fault) for fault in error.errors()]) from error

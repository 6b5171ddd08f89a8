"""Dead letters, figures, and the index of it all."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.answers import PatientRoute, answer_of
from api.dead_letters import DeadLetters, LetterFilters
from api.problems import KINDS, NOT_FOUND, Problem
from api.routes.queries import DeadLetterQuery, StatsQuery
from api.statistics import Statistics

INDEX: Final = {
    "service": "jobstream",
    "jobs": "/jobs",
    "events": "/events",
    "tasks": "/tasks",
    "dead_letters": "/dead-letters",
    "stats": "/stats",
    "problems": "/problems",
    "openapi": "/openapi.json",
    "docs": "/docs",
}


def reading_routes(*, dead_letters: DeadLetters, statistics: Statistics) -> APIRouter:
    """Return the paths that only read."""
    router = APIRouter(route_class=PatientRoute)

    @router.get("/", summary="Where to go from here", tags=["service"])
    async def index() -> Response:
        return answer_of(INDEX)

    @router.get("/dead-letters", summary="List dead letters", tags=["dead letters"])
    async def list_dead_letters(query: Annotated[DeadLetterQuery, Query()]) -> Response:
        filters = LetterFilters(
            kind=query.kind,
            task=query.task,
            error_type=query.error_type,
            after=query.after,
            before=query.before,
        )
        return answer_of(await dead_letters.page(filters, limit=query.limit, cursor=query.cursor))

    @router.get("/dead-letters/groups", summary="Count dead letters by what they are", tags=["dead letters"])
    async def get_letter_groups() -> Response:
        return answer_of(await dead_letters.groups())

    @router.get("/dead-letters/{letter_id}", summary="Read a dead letter", tags=["dead letters"])
    async def get_dead_letter(letter_id: str) -> Response:
        found = await dead_letters.one(letter_id)
        if found is None:
            raise Problem(NOT_FOUND, f"no dead letter {letter_id[:100]!r}")
        return answer_of(found)

    @router.get("/stats", summary="How the whole is doing", tags=["service"])
    async def get_stats(query: Annotated[StatsQuery, Query()]) -> Response:
        return answer_of(await statistics.stats(minutes=query.minutes))

    @router.get("/problems", summary="Every sort of problem", tags=["service"])
    async def list_problems() -> Response:
        return answer_of({"problems": list(KINDS.values()), "next_cursor": None})

    @router.get("/problems/{slug}", summary="What a problem means and what to do", tags=["service"])
    async def get_problem(slug: str) -> Response:
        if slug not in KINDS:
            raise Problem(NOT_FOUND, f"no problem {slug[:64]!r}")
        return answer_of(KINDS[slug])

    return router

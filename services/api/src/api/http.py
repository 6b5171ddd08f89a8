"""The app: which path leads where."""

from fastapi import APIRouter, FastAPI
from starlette.routing import Route

from api import __doc__ as summary
from api.answers import answer_errors_as_problems
from api.openapi import describe
from api.routes.events import ManyJobs, OneJob
from api.routes.submitting import PostJobs
from api.streams import Streams


def http_app(*, submit: PostJobs, streams: Streams, routers: list[APIRouter]) -> FastAPI:
    """Return the ASGI app; the hot paths stand first and are bare ASGI."""
    app = FastAPI(title="Jobstream", version="0.1.0", summary=summary, redoc_url=None, redirect_slashes=False)
    app.router.routes += [
        Route("/jobs", submit, methods=["POST"]),
        Route("/events", ManyJobs(streams), methods=["GET"]),
        Route("/jobs/{job_id}/events", OneJob(streams), methods=["GET"]),
    ]
    for router in routers:
        # Flat, not included: a request then passes one list of routes, and 405 can name the methods.
        app.router.routes += router.routes
    answer_errors_as_problems(app)
    describe(app)
    return app

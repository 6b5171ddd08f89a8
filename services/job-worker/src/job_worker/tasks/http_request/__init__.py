"""The task that calls somebody else's HTTP service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from job_worker.outbound import guarded_client
from job_worker.tasks.context import TaskContext, TaskEnvironment
from job_worker.tasks.definition import task
from job_worker.tasks.http_request.answers import Answer
from job_worker.tasks.http_request.calling import Caller
from job_worker.tasks.http_request.hosts import Hosts
from job_worker.tasks.http_request.payload import RequestPayload
from job_worker.tasks.http_request.secrets import Vault
from job_worker.tasks.http_request.settings import HttpRequestSettings

__all__ = ["Answer", "RequestPayload", "http_request"]


@asynccontextmanager
async def open_caller(environment: TaskEnvironment) -> AsyncIterator[Caller]:
    """Open what makes the calls, under the operator's settings."""
    settings = HttpRequestSettings().http_request
    async with guarded_client(settings.policy, authorities=settings.ca_file) as client:
        yield Caller(
            client=client,
            hosts=Hosts(environment.upstreams, task="http.request"),
            vault=Vault(settings.secrets),
            limit=settings.response_limit,
            now=environment.now,
        )


@task("http.request", max_attempts=5, timeout=timedelta(minutes=1), resources=open_caller)
async def http_request(payload: RequestPayload, context: TaskContext) -> Answer:
    """Calls an HTTP service and keeps its answer."""
    caller: Caller = context.resource
    return await caller.call(payload, context)

"""The task with its resources as the worker opens them, and upstreams on sockets."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from job_worker.tasks import TaskContext, TaskEnvironment
from job_worker.tasks.http_request import Answer, RequestPayload, http_request
from job_worker.upstream.circuit import Patience
from tests.support.http_upstream import HttpUpstream
from tests.support.upstreams import States, upstreams_in_memory

CANARY = "canary-3f9c17d2"
"""The part of the secret that must be seen by nobody but its upstream."""

NOW = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)


def settings_for(*upstreams: HttpUpstream, **more: str) -> dict[str, str]:
    """Settings that let a worker call these upstreams, and send the secret to the first."""
    return {
        "HTTP_REQUEST__ALLOW": ",".join(f"127.0.0.1:{upstream.port}" for upstream in upstreams),
        "HTTP_REQUEST__SECRETS__BILLING_TOKEN__VALUE": f"Bearer {CANARY}",
        "HTTP_REQUEST__SECRETS__BILLING_TOKEN__ORIGINS": upstreams[0].url,
        **more,
    }


@dataclass(frozen=True)
class Requester:
    """Runs the task as a worker would."""

    resource: Any

    async def __call__(self, *, context: TaskContext | None = None, **payload: Any) -> Answer:
        context = context or TaskContext(job_id="job-1", attempt=1)
        context.resource = self.resource
        answer: Answer = await http_request.function(RequestPayload.model_validate(payload), context)
        return answer


OpenTask = Callable[..., Awaitable[Requester]]


@pytest.fixture
def upstream() -> Iterator[HttpUpstream]:
    with HttpUpstream() as stand_in:
        yield stand_in


@pytest.fixture
def elsewhere() -> Iterator[HttpUpstream]:
    """Another upstream, of another origin."""
    with HttpUpstream() as stand_in:
        yield stand_in


@pytest.fixture
async def open_task(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens the task's resources under these settings."""
    async with AsyncExitStack() as opened:

        async def open_it(settings: dict[str, str]) -> Requester:
            for name, value in settings.items():
                monkeypatch.setenv(name, value)
            environment = TaskEnvironment(
                collection=_no_collection,
                now=lambda: NOW,
                # Patient: what each single answer leads to is tested here.
                upstreams=upstreams_in_memory(States(), Patience(failures=1_000)),
            )
            assert http_request.resources is not None
            return Requester(await opened.enter_async_context(http_request.resources(environment)))

        yield open_it


@pytest.fixture
async def request_(open_task: OpenTask, upstream: HttpUpstream, elsewhere: HttpUpstream) -> Requester:
    """The task that may call both upstreams."""
    return await open_task(settings_for(upstream, elsewhere))


def _no_collection(name: str) -> Any:
    raise AssertionError(f"the task asked for the collection {name}")

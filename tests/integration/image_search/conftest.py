"""The task with its resources as the worker opens them, and the stand-in for Unsplash."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from job_worker.tasks import TaskContext, TaskEnvironment
from job_worker.tasks.image_search import SearchPayload, SearchResult, image_search
from tests.support.unsplash import KEY, Unsplash

NOW = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
"""Twenty minutes to the next full hour."""


@dataclass(frozen=True)
class Searcher:
    """Runs the task as a worker would."""

    resource: Any

    async def __call__(self, **payload: Any) -> SearchResult:
        context = TaskContext(job_id="job", attempt=1, resource=self.resource)
        result: SearchResult = await image_search.function(SearchPayload(**payload), context)
        return result


OpenSearch = Callable[..., Awaitable[Searcher]]


@pytest.fixture
def unsplash() -> Iterator[Unsplash]:
    with Unsplash() as stand_in:
        yield stand_in


@pytest.fixture
async def open_search(unsplash: Unsplash, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens the task's resources under the settings given, on top of a key and the stand-in's address."""
    async with AsyncExitStack() as opened:

        async def open_it(
            *, collection: Callable[[str], Any] = _no_collection, **settings: str | None
        ) -> Searcher:
            for name, value in {
                "UNSPLASH__ACCESS_KEY": KEY,
                "UNSPLASH__BASE_URL": unsplash.base_url,
                "UNSPLASH__TIMEOUT": "PT2S",
                **settings,
            }.items():
                if value is None:
                    monkeypatch.delenv(name, raising=False)
                else:
                    monkeypatch.setenv(name, value)
            environment = TaskEnvironment(collection=collection, now=lambda: NOW)
            assert image_search.resources is not None
            return Searcher(await opened.enter_async_context(image_search.resources(environment)))

        yield open_it


@pytest.fixture
async def search(open_search: OpenSearch) -> Searcher:
    """The search through Unsplash's stand-in."""
    return await open_search()


def _no_collection(name: str) -> Any:
    raise AssertionError(f"the provider unsplash asked for the collection {name}")

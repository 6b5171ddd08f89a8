"""The task with its resources as the worker opens them, a real MongoDB, and the stand-ins for providers."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from job_worker.tasks import TaskContext, TaskEnvironment
from job_worker.tasks.image_search import SearchPayload, SearchResult, image_search
from job_worker.tasks.image_search.pictures import Picture
from job_worker.upstream.circuit import Patience
from job_worker.upstream.meters import Meters
from job_worker.upstream.stores import MongoAnswerStore, MongoStateStore
from job_worker.upstream.upstreams import Upstreams
from jobstream_local.mongod import Mongod
from jobstream_local.ports import free_port
from service_chassis.metrics import Metrics
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.support.openverse import Openverse
from tests.support.pixabay import Pixabay
from tests.support.unsplash import KEY, Unsplash

NOW = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
"""What the provider takes for the server's time."""

JOBS = count()


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    port = free_port()
    mongod = Mongod(home=tmp_path_factory.mktemp("mongod"), port=port, members=[port])
    asyncio.run(mongod.start())
    yield mongod
    asyncio.run(mongod.stop())


@pytest.fixture
async def mongo(mongod: Mongod) -> AsyncIterator[Mongo]:
    """An empty database."""
    async with opened(mongod) as mongo:
        yield mongo


@asynccontextmanager
async def opened(mongod: Mongod, *, driver: MongoDriver = MongoDriver.PYMONGO) -> AsyncIterator[Mongo]:
    """A connection to a database that is emptied first."""
    # Patient: a busy machine is slow, not away.
    patience = timedelta(seconds=20)
    settings = MongoSettings(uri=SecretStr(mongod.uri), database="images", driver=driver, patience=patience)
    async with Mongo(settings, indexes={}) as mongo:
        await mongo.ready()
        for name in ("images", "image_sources", "upstreams", "answers"):
            await mongo.collection(name).delete_many({})
        yield mongo


def upstreams_on(collection: Callable[[str], Any], patience: Patience | None = None) -> Upstreams:
    """What one worker has to call others with."""
    return Upstreams(
        states=MongoStateStore(collection),
        kept=MongoAnswerStore(collection),
        patience=patience or Patience(),
        meters=Meters(Metrics()),
        clock=time.monotonic,
        pause=asyncio.sleep,
        draw=random.random,
    )


@dataclass(frozen=True)
class Searcher:
    """Runs the task as a worker would."""

    resource: Any

    async def __call__(
        self, *, job: str | None = None, owner: str = "default", **payload: Any
    ) -> SearchResult:
        return (await self.with_log(job=job, owner=owner, **payload))[0]

    async def find(self, **payload: Any) -> list[Picture]:
        """Return what the provider alone finds, with nothing around it."""
        context = TaskContext(job_id="job", attempt=1)
        (provider,) = self.resource._searcher._providers.values()
        found: list[Picture] = await provider.search(SearchPayload(**payload), context.progress)
        return found

    async def with_log(
        self, *, job: str | None = None, owner: str = "default", **payload: Any
    ) -> tuple[SearchResult, list[str]]:
        """Return the result, and what the task has written into the job's log."""
        job = job or f"job-{next(JOBS):04d}"
        context = TaskContext(job_id=job, attempt=1, owner=owner, resource=self.resource)
        result: SearchResult = await image_search.function(SearchPayload(**payload), context)
        return result, [line["message"] for line in context.take_lines()]


OpenSearch = Callable[..., Awaitable[Searcher]]


@pytest.fixture
def unsplash() -> Iterator[Unsplash]:
    with Unsplash() as stand_in:
        yield stand_in


@pytest.fixture
def openverse() -> Iterator[Openverse]:
    with Openverse() as stand_in:
        yield stand_in


@pytest.fixture
def pixabay() -> Iterator[Pixabay]:
    with Pixabay() as stand_in:
        yield stand_in


@pytest.fixture
async def open_search(unsplash: Unsplash, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens the task's resources under the settings given, on top of a key and the stand-in's address."""
    async with AsyncExitStack() as opened:

        async def open_it(
            *,
            collection: Callable[[str], Any] = mongo.collection,
            patience: Patience | None = None,
            **settings: str | None,
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
            environment = TaskEnvironment(
                collection=collection, now=lambda: NOW, upstreams=upstreams_on(collection, patience)
            )
            assert image_search.resources is not None
            return Searcher(await opened.enter_async_context(image_search.resources(environment)))

        yield open_it


@pytest.fixture
async def search(open_search: OpenSearch) -> Searcher:
    """The search through Unsplash's stand-in."""
    return await open_search()

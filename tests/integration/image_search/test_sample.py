"""The provider `sample` on a real MongoDB: what it keeps, and how it behaves beside other work."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from io import BytesIO

import pytest
from PIL import Image
from pydantic import SecretStr

from job_worker.tasks import RateLimited
from job_worker.tasks.image_search import SearchResult
from jobstream_local.mongod import Mongod
from jobstream_local.ports import free_port
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoDriver, MongoSettings
from tests.integration.image_search.conftest import NOW, OpenSearch, Searcher, opened


@pytest.fixture(params=list(MongoDriver))
async def mongo(request: pytest.FixtureRequest, mongod: Mongod) -> AsyncIterator[Mongo]:
    """The database by each driver."""
    async with opened(mongod, driver=request.param) as mongo:
        yield mongo


@pytest.fixture
async def sampler(open_search: OpenSearch, mongo: Mongo) -> Searcher:
    return await open_search(UNSPLASH__ACCESS_KEY=None, collection=mongo.collection)


def hashes(result: SearchResult) -> set[str]:
    urls = [url for image in result.images for url in image.urls.model_dump().values()]
    return {url.removeprefix("/images/") for url in urls}


async def test_every_picture_is_kept_under_the_hash_of_its_bytes(sampler: Searcher, mongo: Mongo) -> None:
    result = await sampler(query="mountains", count=3)
    assert (result.provider, len(result.images)) == ("sample", 3)
    kept = {document["_id"]: document async for document in mongo.collection("images").find()}
    assert set(kept) == hashes(result)
    for name, document in kept.items():
        data = bytes(document["bytes"])
        assert sha256(data).hexdigest() == name
        assert document["content_type"] == "image/jpeg"
        with Image.open(BytesIO(data), formats=["JPEG"]) as picture:
            assert picture.size == (document["width"], document["height"])
        assert document["size"] == len(data)
        assert document["kept_until"] == NOW + timedelta(days=8), "the life of a job and a day of grace"


async def test_the_same_words_give_the_same_pictures_and_no_second_document(
    open_search: OpenSearch, mongo: Mongo
) -> None:
    results = []
    for _ in range(2):
        # A worker of its own each time: nothing is remembered from one to the next.
        sampler = await open_search(UNSPLASH__ACCESS_KEY=None, collection=mongo.collection)
        results.append(await sampler(query="mountains", count=2))
    assert results[0] == results[1]
    assert await mongo.collection("images").count_documents({}) == len(hashes(results[0]))


async def test_pictures_that_were_lost_are_drawn_again(sampler: Searcher, mongo: Mongo) -> None:
    before = await sampler(query="mountains", count=2)
    await mongo.collection("images").delete_many({})
    after = await sampler(query="mountains", count=2)
    assert after == before
    assert await mongo.collection("images").count_documents({}) == len(hashes(after))


async def test_ten_pictures_take_under_three_seconds_of_processor_and_leave_the_loop_free(
    sampler: Searcher,
) -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    watcher = asyncio.create_task(watch())
    used = time.process_time()
    await sampler(query="a busy day", count=10)
    used = time.process_time() - used
    watcher.cancel()
    assert used < 3
    # Drawn on the loop itself, a picture would leave it two or three turns.
    assert turns > 60


async def test_many_jobs_at_once_all_get_their_pictures(sampler: Searcher) -> None:
    results = await asyncio.gather(*(sampler(query=f"view {number % 3}", count=2) for number in range(9)))
    assert [len(result.images) for result in results] == [2] * 9
    assert results[0] == results[3]


async def test_a_cancelled_job_stops_drawing_and_leaves_the_easel_to_the_next(
    sampler: Searcher, mongo: Mongo
) -> None:
    long = asyncio.create_task(sampler(query="many", count=30))
    async with asyncio.timeout(10):
        while not await mongo.collection("images").count_documents({}):  # noqa: ASYNC110  a database has no event
            await asyncio.sleep(0.01)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    started = time.monotonic()
    assert len((await sampler(query="one", count=1)).images) == 1
    assert time.monotonic() - started < 3
    assert await mongo.collection("images").count_documents({}) < 60


async def test_an_outage_of_mongodb_burns_no_attempt(open_search: OpenSearch) -> None:
    nowhere = MongoSettings(uri=SecretStr(f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"))
    async with Mongo(nowhere, indexes={}) as mongo:
        sampler = await open_search(UNSPLASH__ACCESS_KEY=None, collection=mongo.collection)
        with pytest.raises(RateLimited, match="MongoDB is away"):
            await sampler(query="mountains", count=1)

"""Where pictures are kept, and how they go again: in MongoDB, in a folder, and in a store that speaks S3."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from job_contracts.record import Collection
from job_worker.tasks.image_search import leftovers as leftovers_module
from job_worker.tasks.image_search.gallery import Gallery, KeptImage
from job_worker.tasks.image_search.leftovers import Leftovers
from jobstream_local.mongod import Mongod
from service_chassis.mongo import Mongo
from service_chassis.objects import Objects, ObjectsError
from service_chassis.settings import MongoDriver
from tests.integration.image_search.conftest import opened

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3, with a bucket; its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    request = urllib.request.Request(f"http://{host}:{port}/bucket", method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=list(MongoDriver))
async def mongo(request: pytest.FixtureRequest, mongod: Mongod) -> AsyncIterator[Mongo]:
    """The database by each driver."""
    async with opened(mongod, driver=request.param) as mongo:
        yield mongo


OpenStore = Callable[[str], Objects]


@pytest.fixture
def open_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenStore:
    """Opens a store of objects of the kind asked for."""

    def open_it(kind: str) -> Objects:
        if kind == "folder":
            return Objects(f"file://{tmp_path}/pictures")
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        return Objects(f"s3://bucket/{tmp_path.name}")

    return open_it


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, open_store: OpenStore) -> Objects:
    """A store of objects."""
    return open_store(request.param)


class Rig:
    """A gallery with a clock to turn."""

    def __init__(self, mongo: Mongo, objects: Objects | None) -> None:
        self.now, self.objects = BEGIN, objects
        self.cards = mongo.collection(Collection.IMAGES)
        self.gallery = Gallery(images=self.cards, objects=objects, now=lambda: self.now, kept=WEEK)
        self.leftovers = Leftovers(collection=mongo.collection, objects=objects, now=lambda: self.now)

    async def bytes_of(self, image: KeptImage) -> bytes | None:
        card = await self.cards.find_one({"_id": image.hash})
        if card is None:
            return None
        if self.objects is None:
            return bytes(card["bytes"])
        return b"".join([chunk async for chunk in await self.objects.read(card["object"], 0, card["size"])])

    async def names(self) -> list[str]:
        """What lies in the store of objects."""
        assert self.objects is not None
        return sorted([found.name async for group in self.objects.walk(10) for found in group])


@pytest.fixture
def stored(mongo: Mongo, store: Objects) -> Rig:
    """With a store of objects."""
    return Rig(mongo, store)


@pytest.fixture(params=["mongodb", "folder", "s3"])
def rig(request: pytest.FixtureRequest, mongo: Mongo, open_store: OpenStore) -> Rig:
    """With each place there is for bytes."""
    return Rig(mongo, None if request.param == "mongodb" else open_store(request.param))


def image(number: int, size: int = 100) -> KeptImage:
    return KeptImage("image/webp", number.to_bytes(4) * (size // 4), 3, 2)


async def test_what_is_kept_is_read_again_and_equal_pictures_are_one(rig: Rig) -> None:
    await asyncio.gather(*(rig.gallery.keep([image(1), image(2), image(1)]) for _ in range(5)))
    assert await rig.bytes_of(image(1)) == image(1).data
    assert await rig.cards.count_documents({}) == 2
    if rig.objects:
        assert len(await rig.names()) == 2, "who was second has taken its own back"
    assert await rig.gallery.still_kept([image(1).hash, "ab"]) == {image(1).hash}


async def test_a_picture_goes_when_nobody_has_asked_for_it_for_long_enough(rig: Rig) -> None:
    await rig.gallery.keep([image(1), image(2)])
    rig.now += WEEK - timedelta(minutes=1)
    assert await rig.leftovers.forget(10) == 0
    await rig.gallery.still_kept([image(2).hash])
    rig.now += timedelta(minutes=2)
    assert await rig.leftovers.forget(10) == 1
    assert (await rig.bytes_of(image(1)), await rig.bytes_of(image(2))) == (None, image(2).data)
    if rig.objects:
        assert len(await rig.names()) == 1


async def test_only_so_many_go_at_a_time(rig: Rig) -> None:
    await rig.gallery.keep([image(number) for number in range(5)])
    rig.now += WEEK * 2
    assert [await rig.leftovers.forget(3) for _ in range(3)] == [3, 2, 0]


async def test_a_search_that_stores_what_is_just_deleted_never_loses_it(rig: Rig) -> None:
    for round_ in range(10):
        await rig.gallery.keep([image(round_)])
        rig.now += WEEK * 2
        # Both at once, in whatever order the servers see their steps.
        await asyncio.gather(rig.leftovers.forget(10), rig.gallery.keep([image(round_)]))
        assert await rig.gallery.still_kept([image(round_).hash])
        assert await rig.bytes_of(image(round_)) == image(round_).data


async def test_a_search_that_stores_between_the_two_steps_of_a_deletion_never_loses_it(
    stored: Rig, store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stored
    await rig.gallery.keep([image(1)])
    rig.now += WEEK * 2
    delete = store.delete

    async def after_a_search(name: str) -> None:
        await rig.gallery.keep([image(1)])
        await delete(name)

    monkeypatch.setattr(store, "delete", after_a_search)
    assert await rig.leftovers.forget(10) == 1
    assert await rig.bytes_of(image(1)) == image(1).data


async def test_what_a_dead_worker_has_left_in_the_store_is_found_and_nothing_else(
    stored: Rig, store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stored
    await rig.gallery.keep([image(1)])
    await store.put(f"{image(1).hash}.aaaaaaaaaaaa", b"put by one who died before his card")
    await store.put(f"{image(2).hash}.bbbbbbbbbbbb", b"another")
    assert [count async for count in rig.leftovers.forget_strays()] == [0], "a card may be on its way"
    monkeypatch.setattr(leftovers_module, "STRAY", timedelta(seconds=-10))
    assert [count async for count in rig.leftovers.forget_strays()] == [2]
    assert await rig.bytes_of(image(1)) == image(1).data
    assert len(await rig.names()) == 1


async def test_a_large_object_is_read_in_parts_and_chunks(store: Objects) -> None:
    data = bytes(range(256)) * 4_096
    await store.put("large", data)
    chunks = [chunk async for chunk in await store.read("large", 0, len(data))]
    assert (b"".join(chunks), len(chunks) > 1) == (data, True)
    part = [chunk async for chunk in await store.read("large", 1_000, 1_010)]
    assert b"".join(part) == data[1_000:1_010]
    with pytest.raises(FileNotFoundError):
        await store.read("nothing", 0, 1)
    await store.delete("large")
    await store.delete("large")


async def test_a_store_that_is_away_says_so_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    objects = Objects("s3://bucket")
    with pytest.raises(ObjectsError) as caught:
        await objects.put("name", b"data")
    assert "canary" not in str(caught.value)

"""Pictures that are shown from here: fetched once, made small, kept, and left out when they are not fit for it."""

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO

import pytest
from PIL import Image

from job_worker.tasks import RateLimited, Retry
from job_worker.tasks.image_search import SearchResult
from service_chassis.mongo import Mongo
from tests.integration.image_search.conftest import NOW, OpenSearch, Searcher
from tests.support.openverse import Openverse
from tests.support.pixabay import KEY, Pixabay
from tests.support.stand_in import Reply, photograph
from tests.support.waiting import until_true

OpenWorker = Callable[..., Awaitable[Searcher]]


@pytest.fixture
def worker(open_search: OpenSearch, openverse: Openverse, mongo: Mongo) -> OpenWorker:
    """Opens the task as one more worker would, on the stand-in for Openverse."""

    async def open_it(**settings: str) -> Searcher:
        return await open_search(
            collection=mongo.collection,
            IMAGES__PROVIDER="openverse",
            OPENVERSE__BASE_URL=openverse.base_url,
            **settings,
        )

    return open_it


def hashes(result: SearchResult) -> set[str]:
    urls = [url for image in result.images for url in image.urls.model_dump().values()]
    assert all(re.fullmatch("/images/[0-9a-f]{64}", url) for url in urls)
    return {url.removeprefix("/images/") for url in urls}


async def test_every_picture_is_kept_in_three_widths_under_the_hash_of_its_bytes(
    worker: OpenWorker, openverse: Openverse, mongo: Mongo
) -> None:
    result = await (await worker())(query="mountains", count=3)
    assert len(openverse.fetched) == len(set(openverse.fetched)) == 3
    cards = {card["_id"]: card async for card in mongo.collection("images").find()}
    assert cards.keys() == hashes(result)
    for name, card in cards.items():
        data = bytes(card["bytes"])
        assert (sha256(data).hexdigest(), card["size"], card["content_type"]) == (
            name,
            len(data),
            "image/webp",
        )
    for image in result.images:
        widths = [
            Image.open(BytesIO(cards[url.removeprefix("/images/")]["bytes"])).width
            for url in (image.urls.regular, image.urls.small, image.urls.thumb)
        ]
        assert widths == [1080, 400, 200]
        assert (image.width, image.height, image.urls.full) == (1080, 810, image.urls.regular)
        assert image.blur_hash
        assert image.color != "#808080"
        assert openverse.base_url not in image.model_dump_json()


async def test_bytes_are_asked_for_plainly_and_without_a_key(
    open_search: OpenSearch, pixabay: Pixabay, mongo: Mongo
) -> None:
    search = await open_search(
        collection=mongo.collection,
        IMAGES__PROVIDER="pixabay",
        PIXABAY__BASE_URL=pixabay.base_url,
        PIXABAY__API_KEY=KEY,
    )
    assert len((await search(query="sea", count=1)).images) == 1
    (fetched,) = pixabay.asked("/get/")
    assert fetched.headers["accept-encoding"] == "identity"
    assert KEY not in fetched.target + str(fetched.headers)


async def test_no_picture_is_fetched_twice_by_jobs_and_workers_at_once(
    worker: OpenWorker, openverse: Openverse
) -> None:
    workers = [await worker() for _ in range(3)]
    results = await asyncio.gather(*(workers[n % 3](query=f"words {n}", count=4) for n in range(9)))
    assert len({result.model_dump_json(exclude={"query"}) for result in results}) == 1
    assert sorted(openverse.fetched) == sorted(set(openverse.fetched))
    assert len(openverse.fetched) == 4


async def test_a_picture_whose_bytes_are_gone_is_fetched_again(
    worker: OpenWorker, openverse: Openverse, mongo: Mongo
) -> None:
    search = await worker()
    before = await search(query="mountains", count=1)
    await mongo.collection("images").delete_one({"_id": min(hashes(before))})
    assert (await search(query="mountains", count=1)).images == before.images
    assert len(openverse.fetched) == 2
    assert await mongo.collection("images").count_documents({}) == 3


async def test_a_worker_that_died_while_fetching_holds_nobody_up(
    worker: OpenWorker, openverse: Openverse, mongo: Mongo
) -> None:
    search = await worker()
    await search(query="mountains", count=1)
    sources = mongo.collection("image_sources")
    key = f"openverse:{openverse.image(0)['id']}"
    await sources.update_one(
        {"_id": key},
        {"$unset": {"hosted": 1}, "$set": {"claim": {"token": "dead", "until": _at(minutes=1)}}},
    )
    waiting = asyncio.create_task(search(query="mountains", count=1))
    await asyncio.wait({waiting}, timeout=1)
    assert not waiting.done(), "the claim of another is respected while it lasts"
    await sources.update_one({"_id": key}, {"$set": {"claim.until": _at(minutes=-1)}})
    assert len((await waiting).images) == 1


async def test_a_search_that_waits_long_for_another_worker_comes_back_and_burns_no_attempt(
    worker: OpenWorker, openverse: Openverse, mongo: Mongo
) -> None:
    claim = {"token": "slow", "until": _at(minutes=1)}
    key = f"openverse:{openverse.image(0)['id']}"
    await mongo.collection("image_sources").insert_one({"_id": key, "claim": claim})
    search = await worker()
    looks = 0

    async def pause(seconds: float) -> None:
        nonlocal looks
        looks += 1

    search.resource._pause = pause
    with pytest.raises(RateLimited, match="another worker is fetching"):
        await search(query="mountains", count=1)
    assert looks * 0.2 == pytest.approx(20)
    assert not openverse.fetched


def _at(*, minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


async def test_a_cancelled_search_leaves_its_picture_to_the_next(
    worker: OpenWorker, openverse: Openverse
) -> None:
    first, second = await worker(), await worker()
    well = openverse.answer
    openverse.answer = lambda request: (
        Reply(b"", waits=60) if request.path.endswith("/thumb/") else well(request)
    )
    cancelled = asyncio.create_task(first(query="mountains", count=1))
    await until_true(lambda: bool(openverse.fetched), within=20, what="the picture to be asked for")
    openverse.answer = well
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    async with asyncio.timeout(30):
        assert len((await second(query="mountains", count=1)).images) == 1


def some(*, bad: Reply, of: Openverse) -> None:
    """Have the first picture answered badly, and all others well."""
    well, first = of.answer, of.image(0)["id"]
    of.answer = lambda request: bad if first in request.path else well(request)


BAD = {
    "a page": (Reply(b"<!doctype html><title>Sorry</title>", content_type="image/jpeg"), "no JPEG, PNG or WebP"),
    "SVG": (Reply(b"<svg onload='alert(1)'/>", content_type="image/svg+xml"), "no JPEG, PNG or WebP"),
    "half": (Reply(photograph(1)[:3_000]), "cannot be decoded"),
    "too large": (Reply(b"\xff\xd8\xff" + bytes(17 * 1024 * 1024)), "more than 16777216 bytes"),
    "a bomb": (
        Reply(gzip.compress(bytes(64 * 1024 * 1024)), headers={"Content-Encoding": "gzip"}),
        "more than 16777216 bytes",
    ),
    "packed in another way": (
        Reply(photograph(1), headers={"Content-Encoding": "zstd"}),
        "packed in a way that was not asked for",
    ),
    "not there": (Reply(b"", status=404), "answered 404"),
    "out of order": (Reply(b"", status=503), "answered 503"),
    "cut off": (Reply(photograph(1), breaks_off=2_000), "broke off"),
    "late": (Reply(photograph(1), waits=30), "did not come in time"),
    "sent inside": (
        Reply(b"", status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}),
        "not at one of the provider's addresses",
    ),
    "sent to a script": (
        Reply(b"", status=302, headers={"Location": "javascript:alert(1)"}),
        "not at one of the provider's addresses",
    ),
    "sent in circles": (Reply(b"", status=301, headers={"Location": ""}), "from place to place"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_picture_is_left_out_with_a_line_in_the_log_and_the_others_are_shown(
    case: str, worker: OpenWorker, openverse: Openverse
) -> None:
    reply, why = BAD[case]
    some(bad=reply, of=openverse)
    search = await worker(**({"IMAGES__FETCH_TIMEOUT": "3"} if reply.waits else {}))
    result, log = await search.with_log(query="mountains", count=2)
    assert [image.author.name for image in result.images] == ["Maker 1"]
    assert len(log) == 2
    assert why in log[0]
    assert log[1] == "1 of 2 pictures are left out"


async def test_a_picture_that_is_not_fit_is_not_fetched_again_for_an_hour(
    worker: OpenWorker, openverse: Openverse
) -> None:
    some(bad=Reply(b"<svg/>"), of=openverse)
    for _ in range(3):
        assert len((await (await worker())(query="mountains", count=2)).images) == 1
    assert len(openverse.fetched) == 2


async def test_a_picture_is_followed_to_where_its_own_server_sends_us(
    worker: OpenWorker, openverse: Openverse
) -> None:
    elsewhere = f"{openverse.base_url}/v1/images/{openverse.image(7)['id']}/thumb/"
    some(bad=Reply(b"", status=302, headers={"Location": elsewhere}), of=openverse)
    assert len((await (await worker())(query="mountains", count=1)).images) == 1


async def test_if_none_comes_at_all_the_search_is_tried_again(
    worker: OpenWorker, openverse: Openverse
) -> None:
    search, well = await worker(), openverse.answer
    openverse.answer = lambda request: (
        Reply(b"", status=503) if request.path.endswith("/thumb/") else well(request)
    )
    with pytest.raises(Retry, match="none of the 3 pictures"):
        await search(query="mountains", count=3)
    openverse.answer = well
    assert len((await search(query="mountains", count=3)).images) == 3


async def test_if_none_is_fit_the_answer_is_none(worker: OpenWorker, openverse: Openverse) -> None:
    some(bad=Reply(b"<svg/>"), of=openverse)
    assert (await (await worker())(query="mountains", count=1)).images == []


async def test_an_address_of_a_network_of_delivery_stands_before_the_hash(
    worker: OpenWorker,
) -> None:
    search = await worker(IMAGES__PUBLIC_URL="https://cdn.example.org/pictures")
    (image,) = (await search(query="mountains", count=1)).images
    assert re.fullmatch(r"https://cdn\.example\.org/pictures/[0-9a-f]{64}", image.urls.small)


async def test_a_store_that_is_away_burns_no_attempt(
    worker: OpenWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    search = await worker(IMAGES__STORE_URL="s3://pictures")
    with pytest.raises(RateLimited, match="their store is away") as caught:
        await search(query="mountains", count=1)
    assert "canary" not in str(caught.value) + str(caught.value.__cause__)

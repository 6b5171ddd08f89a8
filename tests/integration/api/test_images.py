"""Pictures over HTTP: for ever in caches, whole or in part, from MongoDB or a folder; and the word that one is used."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.conftest import Hand
from tests.support.api import Api
from tests.support.records import Records

DATA = bytes(range(256)) * 1_000
DIGEST = sha256(DATA).hexdigest()
PATH = f"/images/{DIGEST}"

LOCATION = "https://api.unsplash.com/photos/x/download?ixid=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def env(folder: Path) -> dict[str, str]:
    """A folder for the pictures."""
    return {"IMAGES__STORE_URL": f"file://{folder}"}


@pytest.fixture(params=["in its card", "in a folder"])
async def picture(request: pytest.FixtureRequest, records: Records, folder: Path) -> None:
    """A picture is there."""
    card: dict[str, Any] = {"_id": DIGEST, "content_type": "image/webp", "size": len(DATA)}
    if request.param == "in a folder":
        (folder / f"{DIGEST}.0123456789ab").write_bytes(DATA)
        card["object"] = f"{DIGEST}.0123456789ab"
    else:
        card["bytes"] = DATA
    await records.database["images"].replace_one({"_id": DIGEST}, card, upsert=True)


async def test_a_picture_is_whole_typed_and_for_ever(api: Api, picture: None) -> None:
    answer = await api.get(PATH)
    assert (answer.status_code, answer.content) == (200, DATA)
    headers = answer.headers
    assert headers["content-type"] == "image/webp"
    assert headers["content-length"] == str(len(DATA))
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["etag"] == f'"{DIGEST}"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["accept-ranges"] == "bytes"


async def test_who_has_it_gets_304(api: Api, picture: None) -> None:
    for known in (f'"{DIGEST}"', f'W/"{DIGEST}", "other"', "*"):
        answer = await api.get(PATH, headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{DIGEST}"'
    assert (await api.get(PATH, headers={"if-none-match": '"other"'})).status_code == 200


async def test_head_tells_all_but_the_bytes(api: Api, picture: None) -> None:
    whole, head = await api.get(PATH), await api.call("HEAD", PATH)
    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k != "date"} == {
        k: v for k, v in whole.headers.items() if k != "date"
    }
    assert (await api.call("HEAD", PATH, headers={"if-none-match": f'"{DIGEST}"'})).status_code == 304


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1_000, 2_000),
        ("bytes=255000-", 255_000, 256_000),
        ("bytes=255990-999999999", 255_990, 256_000),
        ("bytes=-10", 255_990, 256_000),
        ("bytes=-999999999", 0, 256_000),
    ],
)
async def test_a_part_is_just_that_part(asked: str, start: int, end: int, api: Api, picture: None) -> None:
    answer = await api.get(PATH, headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, DATA[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=999999-1000000"])
async def test_a_part_behind_the_end_is_416(asked: str, api: Api, picture: None) -> None:
    answer = await api.get(PATH, headers={"range": asked})
    assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-9", "bytes=9-1", "bytes=-", "lines=1-2", "bytes=a-b", "bytes"]
)
async def test_what_is_no_single_range_gets_the_whole(asked: str, api: Api, picture: None) -> None:
    answer = await api.get(PATH, headers={"range": asked})
    assert (answer.status_code, len(answer.content)) == (200, len(DATA))


async def test_a_part_of_something_older_is_not_given(api: Api, picture: None) -> None:
    asked = {"range": "bytes=0-9", "if-range": '"other"'}
    assert (await api.get(PATH, headers=asked)).status_code == 200
    asked["if-range"] = f'"{DIGEST}"'
    assert (await api.get(PATH, headers=asked)).status_code == 206


@pytest.mark.parametrize("name", ["cd" * 32, "AB" * 32, "x", "..%2f..%2fetc%2fpasswd", "%00"])
async def test_what_is_not_there_is_404(name: str, api: Api) -> None:
    for method in ("GET", "HEAD"):
        answer = await api.call(method, f"/images/{name}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_picture_whose_bytes_are_gone_is_404(api: Api, records: Records) -> None:
    gone = "ef" * 32
    card = {"_id": gone, "content_type": "image/webp", "size": 9, "object": f"{gone}.0123456789ab"}
    await records.database["images"].replace_one({"_id": gone}, card, upsert=True)
    answer = await api.get(f"/images/{gone}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


# The word that a picture is used.
@pytest.fixture
async def search(api: Api, hand: Hand) -> str:
    """A search that has found a picture of Unsplash's, and one that is shown from here."""
    job = await api.submit("image.search", {"query": "sea"})
    await hand.claim(job)
    images = [{"id": "Dwu85P9S000", "download_location": LOCATION}, {"id": "own", "download_location": None}]
    await hand.succeed(job, json.dumps({"provider": "unsplash", "images": images}))
    return job


async def use(api: Api, image: str, job: str) -> Any:
    return await api.call("POST", f"/images/{image}/used", json={"job": job})


async def test_a_use_becomes_one_job_that_names_the_picture_and_no_address(api: Api, search: str) -> None:
    first, again = await use(api, "Dwu85P9S000", search), await use(api, "Dwu85P9S000", search)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["location"] == f"/jobs/{first.json()['id']}"
    assert (first.json()["task"], first.json()["payload"]) == (
        "image.used",
        {"job": search, "image": "Dwu85P9S000"},
    )


async def test_a_picture_whose_provider_asks_for_nothing_makes_no_job(api: Api, search: str) -> None:
    assert (await use(api, "own", search)).status_code == 204


async def test_a_use_of_what_was_not_found_is_refused(api: Api, search: str) -> None:
    assert (await use(api, "another", search)).status_code == 404
    assert (await use(api, "..%2f", search)).status_code == 404
    assert (await use(api, "Dwu85P9S000", "01a20ae8-8b65-7681-82d8-8642cc9ec982")).status_code == 404
    other = await api.submit()
    assert (await use(api, "Dwu85P9S000", other)).status_code == 404
    pending = await api.submit("image.search", {"query": "sea"})
    assert (await use(api, "x", pending)).json()["type"] == "/problems/no-result"
    told = {"job": search, "download_location": "https://evil.example/"}
    answer = await api.call("POST", "/images/Dwu85P9S000/used", json=told)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/download_location"

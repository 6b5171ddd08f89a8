"""The provider `pixabay`: what it asks for, what it tells of each photograph, and what it lets nobody see."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from job_worker.tasks import RateLimited, Retry
from job_worker.upstream.calls import KeyRefused
from tests.integration.image_search.conftest import OpenSearch, Searcher
from tests.support.pixabay import KEY, Pixabay
from tests.support.stand_in import Reply


@pytest.fixture
async def search(open_search: OpenSearch, pixabay: Pixabay) -> Searcher:
    return await open_search(
        IMAGES__PROVIDER="pixabay",
        PIXABAY__BASE_URL=pixabay.base_url,
        PIXABAY__API_KEY=KEY,
    )


async def test_it_asks_as_documented(search: Searcher, pixabay: Pixabay) -> None:
    await search.find(query="x" * 150, count=5, orientation="landscape")
    (asked,) = pixabay.asked("/api/")
    assert asked.query == {
        "key": KEY,
        "q": "x" * 100,
        "image_type": "photo",
        "safesearch": "true",
        "per_page": "5",
        "orientation": "horizontal",
    }


async def test_fewer_than_it_gives_at_least_are_cut_off(search: Searcher, pixabay: Pixabay) -> None:
    assert len(await search.find(query="sea", count=1)) == 1
    assert pixabay.asked("/api/")[0].query["per_page"] == "3"


async def test_squares_are_picked_from_more(search: Searcher, pixabay: Pixabay) -> None:
    images = await search.find(query="sea", count=3, orientation="squarish")
    assert [image.id for image in images] == ["195893", "195897", "195901"]
    assert "orientation" not in pixabay.asked("/api/")[0].query


async def test_a_photograph_says_where_it_is_from(search: Searcher, pixabay: Pixabay) -> None:
    image = (await search.find(query="sea", count=1))[0]
    assert image.author.model_dump() == {
        "name": "Josch 13/ü",
        "url": "https://pixabay.com/users/Josch%2013%2F%C3%BC-48777/",
    }
    assert image.attribution.model_dump() == {
        "text": "Photo by Josch 13/ü on Pixabay",
        "provider_name": "Pixabay",
        "provider_url": "https://pixabay.com/photos/blossom-bloom-195893/",
        "license": "Pixabay Content License",
        "license_url": "https://pixabay.com/service/license-summary/",
    }
    assert image.urls.full == f"{pixabay.base_url}/get/0_1280.jpg"


async def test_the_key_stands_in_no_log_though_it_stands_in_the_address(
    search: Searcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await search.find(query="sea", count=1)
    assert "key=***" in caplog.text, "the library logs what it calls"
    assert KEY not in caplog.text


async def test_a_key_it_does_not_know_is_told_from_other_faults(
    open_search: OpenSearch, pixabay: Pixabay
) -> None:
    search = await open_search(
        IMAGES__PROVIDER="pixabay",
        PIXABAY__BASE_URL=pixabay.base_url,
        PIXABAY__API_KEY="another",
    )
    with pytest.raises(KeyRefused, match="does not know our key"):
        await search.find(query="sea")


async def test_the_end_of_its_window_is_waited_for(search: Searcher, pixabay: Pixabay) -> None:
    pixabay.script(Reply(b"", status=429, headers={"X-RateLimit-Reset": "41"}))
    with pytest.raises(RateLimited) as caught:
        await search.find(query="sea")
    assert caught.value.until == timedelta(seconds=41)


@pytest.mark.parametrize(
    "changes",
    [
        {"largeImageURL": "javascript:alert(1)"},
        {"largeImageURL": "http://cdn.pixabay.com/1.jpg"},
        {"largeImageURL": "https://pixabay.com@evil.example/1.jpg"},
        {"largeImageURL": None},
        {"pageURL": "https://evil.example/photos/1"},
        {"pageURL": "https://pixabay.com.evil.example/photos/1"},
        {"user": {"$gt": ""}},
        {"user_id": "48777"},
        {"id": "../x"},
        {"imageWidth": "4000"},
        {"imageHeight": 2**70},
        {"tags": ["a"]},
    ],
)
async def test_malicious_content_is_not_let_in(
    changes: dict[str, Any], search: Searcher, pixabay: Pixabay
) -> None:
    pixabay.changes = changes
    with pytest.raises(Retry, match="not what it should be: /hits/0/") as caught:
        await search.find(query="sea")
    assert "evil" not in str(caught.value)

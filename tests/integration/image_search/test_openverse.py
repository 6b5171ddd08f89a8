"""The provider `openverse`: what it asks for, what it tells of each picture, and what it leaves out."""

from typing import Any

import pytest

from tests.integration.image_search.conftest import OpenSearch, Searcher
from tests.support.openverse import Openverse


@pytest.fixture
async def search(open_search: OpenSearch, openverse: Openverse) -> Searcher:
    return await open_search(IMAGES__PROVIDER="openverse", OPENVERSE__BASE_URL=openverse.base_url)


async def test_it_asks_for_free_licences_alone_and_for_nothing_sensitive(
    search: Searcher, openverse: Openverse
) -> None:
    await search.find(query="sea & sky=ü/?", count=2, orientation="portrait")
    (asked,) = openverse.asked("/v1/images/")[:1]
    assert asked.query == {
        "q": "sea & sky=ü/?",
        "page_size": "2",
        "license": "cc0,by",
        "mature": "false",
        "aspect_ratio": "tall",
    }
    assert "authorization" not in asked.headers


async def test_more_than_those_without_an_account_may_have_is_not_asked_for(
    search: Searcher, openverse: Openverse
) -> None:
    assert len(await search.find(query="mountains", count=30)) == 20
    assert openverse.asked("/v1/images/")[0].query["page_size"] == "20"


async def test_a_picture_is_named_as_its_licence_asks(search: Searcher) -> None:
    by, free = await search.find(query="mountains", count=2)
    assert by.author.model_dump() == {"name": "Maker 0", "url": "http://www.flickr.com/photos/someone"}
    assert by.attribution.model_dump() == {
        "text": "“View number 0” by Maker 0, CC BY 2.0, found on Openverse",
        "provider_name": "Openverse",
        "provider_url": f"https://openverse.org/image/{by.id}",
        "license": "CC BY 2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "source_url": "https://www.flickr.com/photos/someone/0",
    }
    assert (free.attribution.license, by.alt) == ("CC0 1.0", "View number 0")


async def test_bytes_are_fetched_from_openverse_alone_whatever_its_answer_says(
    search: Searcher, openverse: Openverse
) -> None:
    openverse.changes = {
        "url": "http://169.254.169.254/latest/meta-data",
        "thumbnail": "http://127.0.0.1:1/v1/images/x/thumb/",
    }
    (image,) = await search.find(query="mountains", count=1)
    where = f"{openverse.base_url}/v1/images/{image.id}/thumb/?full_size=true&compressed=true"
    assert image.urls.full == where


@pytest.mark.parametrize(
    "changes",
    [
        {"license": "by-nc"},
        {"license": "all-rights-reserved"},
        {"license": None},
        {"license_version": "2.0<script>"},
        {"id": "../../etc/passwd"},
        {"id": 7},
        {"title": ["a"]},
        {"creator": {"$gt": ""}},
        {"width": "1600"},
        {"height": -1},
    ],
)
async def test_a_record_that_is_not_as_documented_is_left_out_and_no_other(
    changes: dict[str, Any], search: Searcher, openverse: Openverse
) -> None:
    openverse.changes = changes
    images = await search.find(query="mountains", count=3)
    assert [image.author.name for image in images] == ["Maker 1", "Maker 2"]


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/",
        "https://a@evil.example/",
        "https://[::1/",
        7,
    ],
)
async def test_what_is_no_link_is_none(link: object, search: Searcher, openverse: Openverse) -> None:
    openverse.changes = {"creator_url": link, "license_url": link, "foreign_landing_url": link}
    (image,) = await search.find(query="mountains", count=1)
    assert (image.author.url, image.attribution.license_url, image.attribution.source_url) == (
        None,
        None,
        None,
    )


async def test_a_picture_without_a_title_and_a_maker_says_so(search: Searcher, openverse: Openverse) -> None:
    openverse.changes = {"title": None, "creator": None, "creator_url": None, "width": None, "height": None}
    (image,) = await search.find(query="mountains", count=1)
    assert image.attribution.text == "Picture by an unknown maker, CC BY 2.0, found on Openverse"

"""The provider `unsplash` against a real server: what it sends, and what it makes of each answer."""

import logging
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from traceback import format_exception
from typing import Any

import pytest

from job_worker.tasks import JobsOwnFault, RateLimited, Retry, TaskError
from job_worker.tasks.image_search.unsplash import UnsplashKeyRefused
from tests.integration.image_search.conftest import OpenSearch, Searcher
from tests.support import unsplash as play
from tests.support.unsplash import KEY, Answer, Unsplash

UTM = "utm_source=jobstream&utm_medium=referral"


async def test_a_search_gives_pictures_with_their_photographers_named_as_the_terms_ask(
    search: Searcher, unsplash: Unsplash
) -> None:
    result = await search(query="mountains", count=3)
    assert (result.provider, result.query, len(result.images)) == ("unsplash", "mountains", 3)
    image = result.images[0]
    assert image.model_dump(mode="json") == {
        "id": "Dwu85P9S000",
        "width": 5472,
        "height": 3648,
        "color": "#6e633a",
        "blur_hash": "LFC$yHwc8^$yIAS$%M%00KxukYIp",
        "alt": "view number 0",
        "urls": {
            size: unsplash.photo(0)["urls"][size] for size in ("raw", "full", "regular", "small", "thumb")
        },
        "author": {"name": "Photographer 0", "url": f"https://unsplash.com/@photographer0?{UTM}"},
        "attribution": {
            "text": "Photo by Photographer 0 on Unsplash",
            "provider_name": "Unsplash",
            "provider_url": f"https://unsplash.com/?{UTM}",
        },
        "download_location": f"{unsplash.base_url}/photos/photo-0000000000000/download?ixid=M3w0",
        "drawn": False,
    }


async def test_the_request_carries_the_key_in_a_header_and_the_words_in_the_query(
    search: Searcher, unsplash: Unsplash
) -> None:
    await search(query="sea & sky=ü/?", count=30, orientation="portrait")
    (request,) = unsplash.requests
    assert request.path == "/search/photos"
    assert request.query == {"query": "sea & sky=ü/?", "per_page": "30", "orientation": "portrait"}
    assert request.headers["authorization"] == f"Client-ID {KEY}"
    assert request.headers["accept-version"] == "v1"
    assert KEY not in request.target


async def test_an_orientation_is_sent_only_when_asked_for(search: Searcher, unsplash: Unsplash) -> None:
    await search(query="sea")
    assert unsplash.requests[0].query == {"query": "sea", "per_page": "10"}


async def test_no_hit_is_success_with_an_empty_list(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.found = 0
    assert (await search(query="qwertyuiop")).images == []


KEY_REFUSED = {
    "a key it does not know": play.unauthorized(),
    "403 without a word of quota": play.quota_used_up(said=False, counted=False),
}
REJECTED = {
    "400": play.status(400, "query is missing"),
    "404": play.status(404, "Couldn't find Photo"),
}
RETRIED = {
    "500": play.status(500, "Something went wrong"),
    "502 without JSON": lambda handler: handler.answer(502, b"<html>Bad gateway</html>"),
    "the connection reset": play.reset(),
    "a slow answer": play.slow(30),
    "a slow loris": play.slow_loris(0.05),
    "a truncated body": play.truncated(),
    "a truncated packed body": play.truncated(packed=True),
    "HTML with 200": play.html(),
    "an empty body": lambda handler: handler.answer(200, b""),
    "a huge body": play.huge(2 * 1024 * 1024),
    "a packing nobody asked for": play.packed("br"),
    "broken packing": play.packed("gzip"),
    "JSON of another shape": lambda handler: handler.answer(200, b'{"results": {"a": 1}}'),
    "deep nesting": lambda handler: handler.answer(200, b'{"results":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a redirect": play.redirect("http://127.0.0.1:1/elsewhere"),
}  # fmt: skip
LIMITED = {
    "403 told by its words": play.quota_used_up(counted=False),
    "403 told by its header": play.quota_used_up(said=False),
    "429": play.too_many(),
}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        *((pytest.param(answer, UnsplashKeyRefused, id=name)) for name, answer in KEY_REFUSED.items()),
        *((pytest.param(answer, JobsOwnFault, id=name)) for name, answer in REJECTED.items()),
        *((pytest.param(answer, Retry, id=name)) for name, answer in RETRIED.items()),
        *((pytest.param(answer, RateLimited, id=name)) for name, answer in LIMITED.items()),
    ],
)
async def test_each_bad_answer_has_its_verdict_and_never_tells_the_key(
    answer: Answer,
    verdict: type[TaskError],
    open_search: OpenSearch,
    unsplash: Unsplash,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    search = await open_search(UNSPLASH__TIMEOUT="PT0.5S")
    unsplash.script(answer)
    with pytest.raises(verdict) as caught:
        await search(query="mountains")
    assert type(caught.value) is verdict
    assert KEY not in "".join(format_exception(caught.value))
    assert KEY not in caplog.text
    assert all(KEY not in str(vars(record)) for record in caplog.records)
    assert all(KEY not in request.target for request in unsplash.requests)
    assert len(unsplash.requests) == 1, "retrying is the queue's business, and redirects are not followed"


async def test_the_same_client_works_again_after_a_fault(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.script(play.truncated(), play.reset(), play.huge(2 * 1024 * 1024))
    for _ in range(3):
        with pytest.raises(Retry):
            await search(query="mountains")
    assert len((await search(query="mountains")).images) == 10


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("90", timedelta(seconds=90)),
        ("Sun, 01 Mar 2026 12:45:00 GMT", timedelta(minutes=5)),
        ("999999999999999999999", timedelta(days=1)),
        ("Sun, 01 Mar 2020 12:45:00 GMT", timedelta(seconds=1)),
    ],
)
async def test_retry_after_is_honoured_within_reason_on_429(
    header: str, wait: timedelta, search: Searcher, unsplash: Unsplash
) -> None:
    unsplash.script(play.too_many(retry_after=header))
    with pytest.raises(RateLimited) as caught:
        await search(query="mountains")
    assert caught.value.until == wait


async def test_nonsense_in_retry_after_is_ignored(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.script(play.too_many(retry_after="soon"))
    with pytest.raises(RateLimited) as caught:
        await search(query="mountains")
    assert caught.value.until == timedelta(hours=1), "a whole window: nobody knows when it began"


async def test_retry_after_is_honoured_on_503(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.script(play.unavailable(retry_after=7))
    with pytest.raises(Retry) as caught:
        await search(query="mountains")
    assert caught.value.after == timedelta(seconds=7)


async def test_a_server_that_is_not_there_is_a_retry(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.__exit__()
    with pytest.raises(Retry, match="ConnectError"):
        await search(query="mountains")


async def test_a_slow_answer_ends_at_the_limit_even_when_each_byte_is_in_time(
    open_search: OpenSearch, unsplash: Unsplash
) -> None:
    search = await open_search(UNSPLASH__TIMEOUT="PT0.5S")
    unsplash.script(play.slow_loris(0.05))
    started = time.monotonic()
    with pytest.raises(Retry, match="in time"):
        await search(query="mountains")
    assert 0.4 < time.monotonic() - started < 10


async def test_a_gzip_bomb_is_given_up_before_it_unfolds(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.script(play.gzip_bomb(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(Retry, match="more than 1048576 bytes"):
            await search(query="mountains")
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_an_answer_just_under_the_limit_is_read(search: Searcher, unsplash: Unsplash) -> None:
    unsplash.script(play.huge(1024 * 1024 - 100))
    assert (await search(query="mountains")).images == []


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(photo: dict[str, Any]) -> None:
        for name in path[:-1]:
            photo = photo[name]
        photo[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("urls", "regular", to="javascript:alert(1)"),
        _set("urls", "thumb", to="data:text/html,<script>alert(1)</script>"),
        _set("urls", "full", to="http://images.unsplash.com/photo-1"),
        _set("urls", "small", to="https://images.unsplash.com\\@evil.example/"),
        _set("urls", "small", to="https://unsplash.com@evil.example/"),
        _set("urls", "small", to="https://evil.example/\r\nX: y"),
        _set("urls", "raw", to="https://"),
        _set("urls", "raw", to="https://[::1/"),
        _set("urls", "raw", to=None),
        _set("user", "links", "html", to="javascript:alert(1)"),
        _set("user", "name", to={"$gt": ""}),
        _set("width", to="5472"),
        _set("width", to=0),
        _set("height", to=2**70),
        _set("color", to="red;background:url(//evil)"),
        _set("blur_hash", to='"><img src=x>'),
        _set("id", to="../../etc/passwd"),
    ],
)
async def test_malicious_content_is_not_let_in(
    change: Callable[[dict[str, Any]], None], search: Searcher, unsplash: Unsplash
) -> None:
    unsplash.script(play.altered(change))
    with pytest.raises(Retry, match="not what it should be: /results/0/") as caught:
        await search(query="mountains")
    assert "evil" not in str(caught.value)
    assert "alert" not in str(caught.value)


async def test_a_name_is_text_whatever_it_looks_like(search: Searcher, unsplash: Unsplash) -> None:
    name = "<img src=x onerror=alert(1)>"
    unsplash.script(play.altered(_set("user", "name", to=name)))
    image = (await search(query="mountains")).images[0]
    assert image.author.name == name
    assert image.attribution.text == f"Photo by {name} on Unsplash"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://api.unsplash.com.evil.example/photos/1/download",
        "javascript:alert(1)",
        "//evil.example/",
        "http://127.0.0.1:1/photos/1/download",
        "http://[::1/",
    ],
)
async def test_a_download_location_that_is_not_the_api_is_left_out(
    elsewhere: str, search: Searcher, unsplash: Unsplash
) -> None:
    unsplash.script(play.altered(_set("links", "download_location", to=elsewhere)))
    first, second, *_ = (await search(query="mountains")).images
    assert first.download_location is None
    assert second.download_location is not None


async def test_missing_colour_blur_and_words_are_no_reason_to_refuse(
    search: Searcher, unsplash: Unsplash
) -> None:
    def bare(photo: dict[str, Any]) -> None:
        photo.update(color=None, blur_hash=None, alt_description=None, description=None)

    unsplash.script(play.altered(bare))
    image = (await search(query="mountains")).images[0]
    assert (image.color, image.blur_hash, image.alt) == ("#808080", None, "")


async def test_the_choice_of_provider_is_logged_once_and_without_the_key(
    open_search: OpenSearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    search = await open_search()
    for number in range(3):
        await search(query=f"mountains {number}")
    chosen = [record for record in caplog.records if record.getMessage() == "image_search.provider"]
    assert [vars(record)["provider"] for record in chosen] == ["unsplash"]
    assert all(KEY not in str(vars(record)) for record in caplog.records)

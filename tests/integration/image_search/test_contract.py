"""What every provider asked over HTTP makes of bad answers; `test_unsplash.py` has the same for the first of them."""

import gzip
import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from traceback import format_exception
from typing import Any

import pytest

from job_worker.tasks import JobsOwnFault, RateLimited, Retry, TaskError
from job_worker.upstream.calls import KeyRefused
from tests.integration.image_search.conftest import OpenSearch, Searcher
from tests.support.pixabay import KEY
from tests.support.stand_in import Reply, StandIn


@dataclass(frozen=True)
class Rig:
    """A provider's stand-in, and the task opened on it."""

    name: str
    stand_in: StandIn
    search: Searcher


@pytest.fixture(params=["openverse", "pixabay"])
async def rig(request: pytest.FixtureRequest, open_search: OpenSearch) -> Rig:
    stand_in: StandIn = request.getfixturevalue(request.param)
    search = await open_search(
        IMAGES__PROVIDER=request.param,
        OPENVERSE__BASE_URL=stand_in.base_url,
        OPENVERSE__TIMEOUT="2",
        PIXABAY__BASE_URL=stand_in.base_url,
        PIXABAY__TIMEOUT="2",
        PIXABAY__API_KEY=KEY,
    )
    return Rig(request.param, stand_in, search)


def page(**more: Any) -> bytes:
    """An answer of either without a picture, and with something else."""
    return json.dumps({"results": [], "hits": [], **more}).encode()


BAD = {
    "500": (Reply(b"", status=500), Retry),
    "502 without JSON": (Reply(b"<html>Bad gateway</html>", status=502), Retry),
    "late": (Reply(page(), waits=30), Retry),
    "cut short": (Reply(page(padding="x" * 1_000), breaks_off=200), Retry),
    "cut short and packed": (Reply(gzip.compress(page())[:20], headers={"Content-Encoding": "gzip"}), Retry),
    "HTML with 200": (Reply(b"<!doctype html><title>Down</title>", content_type="text/html"), Retry),
    "empty": (Reply(b""), Retry),
    "2 MiB": (Reply(page(padding="x" * 2 * 1024 * 1024)), Retry),
    "a bomb": (Reply(gzip.compress(bytes(64 * 1024 * 1024)), headers={"Content-Encoding": "gzip"}), Retry),
    "a packing nobody asked for": (Reply(b"\x00", headers={"Content-Encoding": "br"}), Retry),
    "of another shape": (Reply(b'{"results": {"a": 1}, "hits": 7}'), Retry),
    "deep": (Reply(b'{"results":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), Retry),
    "no JSON": (Reply(b"{'results': []}"), Retry),
    "all of it nonsense": (Reply(b'{"results": [1, "x", null], "hits": [1, "x", null]}'), Retry),
    "sent elsewhere": (Reply(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), Retry),
    "400": (Reply(b"{}", status=400), JobsOwnFault),
    "401": (Reply(b"{}", status=401), KeyRefused),
    "403": (Reply(b"{}", status=403), KeyRefused),
    "429": (Reply(b"{}", status=429), RateLimited),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
async def test_each_bad_answer_has_its_verdict_and_never_tells_the_key(
    case: str, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reply, verdict = BAD[case]
    rig.stand_in.script(reply)
    with pytest.raises(TaskError) as caught:
        await rig.search.find(query="mountains")
    assert type(caught.value) is verdict
    assert KEY not in "".join(format_exception(caught.value))
    assert KEY not in caplog.text
    assert all(KEY not in str(vars(record)) for record in caplog.records)
    assert len(rig.stand_in.requests) == 1, "retrying is the queue's business, and redirects are not followed"


async def test_retry_after_is_honoured(rig: Rig) -> None:
    rig.stand_in.script(Reply(b"", status=429, headers={"Retry-After": "90"}))
    with pytest.raises(RateLimited) as caught:
        await rig.search.find(query="mountains")
    assert caught.value.until == timedelta(seconds=90)


async def test_no_hit_is_success_with_an_empty_list(rig: Rig) -> None:
    rig.stand_in.script(Reply(page()))
    assert await rig.search.find(query="qwertyuiop") == []


async def test_a_server_that_is_not_there_is_a_retry(rig: Rig) -> None:
    rig.stand_in.__exit__()
    with pytest.raises(Retry, match="ConnectError"):
        await rig.search.find(query="mountains")


async def test_every_picture_names_its_maker_and_where_it_is_from(rig: Rig) -> None:
    images = await rig.search.find(query="mountains", count=4)
    assert len(images) == 4
    for image in images:
        assert image.author.name
        assert image.attribution.provider_name.lower() == rig.name
        assert image.attribution.provider_url
        assert image.attribution.provider_url.startswith(f"https://{rig.name}.")
        assert image.attribution.license
        assert image.attribution.license_url
        assert image.author.name in image.attribution.text


async def test_no_more_come_than_were_asked_for(rig: Rig) -> None:
    assert len(await rig.search.find(query="mountains", count=1)) == 1

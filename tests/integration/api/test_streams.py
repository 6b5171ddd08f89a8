"""Live streams: exact, resumable, and no burden to anybody else."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from job_contracts.topics import Topic
from tests.integration.api.conftest import Hand
from tests.support.api import Api
from tests.support.events import Events
from tests.support.product import Product
from tests.support.waiting import until, until_true


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """Short times, so that what happens in minutes happens in seconds; few streams, so that they run out."""
    return {
        "STREAMS__HEARTBEAT": "PT2S",
        "STREAMS__SEND_DEADLINE": "PT1S",
        "STREAMS__RECONCILE": "PT1S",
        "STREAMS__MOST": "6",
        "STREAMS__MAILBOX": "50",
    }


async def _headers(
    product: Product, path: str, last_id: str | None = None, *, patience: float = 1
) -> tuple[httpx.Response, str]:
    """Return the answer's head and what came in the first second."""
    headers = {} if last_id is None else {"last-event-id": last_id}
    text = ""
    async with (
        httpx.AsyncClient(base_url=product.stack.api_urls[0], trust_env=False) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                async for piece in response.aiter_text():
                    text += piece
    return response, text


@pytest.mark.parametrize("claimed", ["99.0", "1.99", "999999999999999.0", "1.0", "0.0", "x", ""])
async def test_whatever_a_reader_claims_to_have_it_gets_the_end(
    product: Product, api: Api, hand: Hand, claimed: str
) -> None:
    job = await api.submit()
    async with Events(product.stack.api_urls, f"/jobs/{job}/events", resume=True, last_id=claimed) as events:
        await hand.claim(job)
        await hand.succeed(job)
        assert (await events.seen(job, "succeeded", within=5))["version"] == 3


async def test_a_job_is_seen_from_submission_to_result(product: Product, api: Api, hand: Hand) -> None:
    job = await api.submit()
    async with product.events(f"/jobs/{job}/events") as events:
        await events.seen(job, "pending")
        await hand.claim(job)
        await events.seen(job, "running")
        await hand.progress(job, 40)
        await until_true(lambda: bool(events.of(job, "progress")), within=5, what="progress")
        await hand.succeed(job)
        await events.ended(within=5)
    assert [(f.event, f.id) for f in events.frames if f.event != "heartbeat"] == [
        ("job", "1.0"),
        ("job", "2.0"),
        ("progress", "2.1"),
        ("job", "3.0"),
        ("end", None),
    ]
    assert events.newest[job]["result"] == {"done": True}
    assert events.of(job, "progress")[0].data == {
        "id": job,
        "version": 2,
        "revision": 1,
        "percent": 40.0,
        "message": "on the way",
    }


async def test_the_first_thing_on_the_wire_says_when_to_come_back(product: Product, api: Api) -> None:
    job = await api.submit(delay=600)
    response, text = await _headers(product, f"/jobs/{job}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert text.startswith("retry: ")
    assert text.count("event: job") == 1


async def test_who_comes_back_gets_only_what_is_newer(product: Product, api: Api, hand: Hand) -> None:
    job = await api.submit()
    await hand.claim(job)
    for known, count in (("1.0", 1), ("2.0", 0), ("2.5", 1), ("nonsense", 1), ("c1;0:5", 1)):
        _, text = await _headers(product, f"/jobs/{job}/events", known)
        assert text.count("event: job") == count, known


async def test_who_comes_back_after_the_end_is_told_that_it_was_the_end(
    product: Product, api: Api, hand: Hand
) -> None:
    job = await api.submit()
    await hand.claim(job)
    await hand.succeed(job)
    _, text = await _headers(product, f"/jobs/{job}/events", "3.0")
    assert text.split("\n\n", 1)[1] == "event: end\ndata: {}\n\n"
    _, text = await _headers(product, f"/jobs/{job}/events")
    assert (text.count("event: job"), text.count("event: end")) == (1, 1)


async def test_what_the_bus_has_lost_is_found_by_reading_again(
    product: Product, api: Api, hand: Hand
) -> None:
    job = await api.submit()
    async with product.events(f"/jobs/{job}/events") as one, product.events("/events") as all_:
        await hand.claim(job)
        await all_.seen(job, "running")
        await hand.succeed(job, announce=False)
        await one.ended(within=10)
        assert (await all_.seen(job, "succeeded"))["result"] == {"done": True}


async def test_a_watched_job_that_is_removed_ends_its_stream(product: Product, api: Api, hand: Hand) -> None:
    job = await api.submit(delay=600)
    async with product.events(f"/jobs/{job}/events") as events:
        await events.seen(job, "waiting")
        await hand.records.database["jobs"].delete_one({"_id": job})
        await events.ended(within=10)
    assert events.frames[-1].event == "end"


async def test_readers_of_many_get_what_passes_their_filters(product: Product, api: Api, hand: Hand) -> None:
    async with (
        product.events("/events?tag=left&tag=top") as left,
        product.events("/events?task=noop&state=running") as running,
        product.events("/events") as all_,
    ):
        one = await api.submit(tags=["left", "top"])
        two = await api.submit("any", tags=["left"])
        await hand.claim(one)
        await hand.progress(one, 10)
        await hand.claim(two)
        await all_.seen(two, "running")
        await until_true(lambda: bool(left.of(one, "progress")), within=5, what="progress")
        assert set(left.newest) == {one}
        assert set(running.newest) == {one}
        assert running.states(one) == ["running"]
        assert {one, two} <= set(all_.newest)
        assert all(frame.id is None for frame in all_.frames), "a place never stands beside an event"
        assert all_.last_id is not None


async def _ends(product: Product) -> str:
    """The place of a reader of all jobs who has all there is."""
    async with product.events("/events") as events:
        await until_true(lambda: events.last_id is not None, within=5, what="a place")
        return str(events.last_id)


async def test_a_place_that_nobody_was_ever_given_is_answered_by_a_reset(product: Product, api: Api) -> None:
    async with product.events("/events") as events:
        await events.seen(await api.submit(), "pending")  # or the place would move while it is asked for
    good = await _ends(product)
    cluster, _, offsets = good.partition(";")
    zeros = ",".join(f"{pair.split(':')[0]}:0" for pair in offsets.split(","))
    beyond = ",".join(f"{pair}000" for pair in offsets.split(","))
    for place in ("c1;0:812", "3.0", "x" * 5_000, f"{good},99:1", f"c1;{offsets}", f"{cluster};{beyond}"):
        _, text = await _headers(product, "/events", place, patience=3.5)
        assert text.count("event: reset\ndata: {") == 1, place
        assert "event: job" not in text
        assert text.endswith(f"\n\nid: {await _ends(product)}\n\n"), "from here on it can resume"
    _, text = await _headers(product, "/events", f"{cluster};{zeros}")
    assert text.count("event: reset") + min(1, text.count("event: job")) == 1, "all of it or nothing"


async def test_who_comes_back_to_the_stream_of_many_gets_exactly_what_was_missed(
    product: Product, api: Api, hand: Hand
) -> None:
    async with product.events("/events") as events:
        before = await api.submit("any")
        await events.seen(before, "pending")
        place = await _ends(product)
        jobs = [await api.submit("any") for _ in range(3)]
        await hand.claim(jobs[0])
        for job in jobs[1:]:
            await events.seen(job, "pending")
        await events.seen(jobs[0], "running")
    _, text = await _headers(product, "/events", place)
    assert "event: reset" not in text
    told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    # What an earlier test had repaired is told as well.
    assert sorted((view["id"], view["state"]) for view in told if view.get("id") in jobs) == sorted(
        [(jobs[0], "running"), (jobs[1], "pending"), (jobs[2], "pending")]
    )
    assert before not in text
    _, text = await _headers(product, "/events", await _ends(product))
    assert not [job for job in (before, *jobs) if job in text], "nothing was missed"


async def test_a_replica_that_was_not_there_replays_as_well(product: Product, api: Api, hand: Hand) -> None:
    place = await _ends(product)
    job = await api.submit()
    await hand.claim(job)
    await product.stack.stop("api-1")
    await hand.succeed(job)
    await product.stack.start("api-1")
    async with Events(product.stack.api_urls, "/events", resume=True, last_id=place) as events:
        await events.seen(job, "succeeded")
        assert not [f for f in events.frames if f.event == "reset"]


async def test_what_happened_before_the_replica_began_is_no_news(
    product: Product, api: Api, hand: Hand
) -> None:
    old = await api.submit()
    await product.stack.stop("api-1")
    await hand.claim(old)
    await product.stack.start("api-1")
    async with product.events("/events") as events:
        await until_true(lambda: events.last_id is not None, within=10, what="a place")
        new = await api.submit()
        await events.seen(new, "pending")
    assert old not in events.newest


async def test_heartbeats_come_by_name(product: Product, api: Api) -> None:
    async with product.events("/events") as events:
        await until_true(
            lambda: len([f for f in events.frames if f.event == "heartbeat"]) >= 2,
            within=8,
            what="two heartbeats",
        )


async def test_noise_on_job_events_is_dropped_and_counted(product: Product, api: Api, hand: Hand) -> None:
    before = await product.counted("api", "messages_dropped_total", topic="job-events", reason="unreadable")
    async with product.events("/events") as events:
        for noise in (b"noise", b"\xff\xfe", b"{}", None, b'{"type":"job.changed.v7"}', b"[" * 100_000):
            await hand.topics.produce(Topic.JOB_EVENTS, noise, key=b"noise", headers=[("owner", b"\xff")])
        job = await api.submit()
        await events.seen(job, "pending")

        async def counted() -> bool:
            now = await product.counted(
                "api", "messages_dropped_total", topic="job-events", reason="unreadable"
            )
            assert now - before == 6, now - before
            return True

        await until(counted, within=10, what="six drops")


async def test_a_full_house_says_busy_and_goes_on_answering(product: Product, api: Api) -> None:
    async def left() -> bool:
        return await product.counted("api", "streams_open") == 0

    await until(left, within=5, what="the streams of those before to end")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(product.events("/events"))
        _, text = await _headers(product, "/events")
        assert text == "retry: 30000\n\nevent: busy\ndata: {}\n\n"
        await api.submit()
        assert (await api.get("/stats")).json()["streams"] == 6

    await until(left, within=5, what="the streams of those who left to end")


@contextlib.asynccontextmanager
async def _sleeper(product: Product) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream and read nothing, with the smallest buffer the kernel gives."""
    import socket

    url = httpx.URL(product.stack.api_urls[0])
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1_024)
    writer.write(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
    try:
        yield reader
    finally:
        writer.close()


async def test_a_reader_that_takes_nothing_is_cut_off(product: Product, api: Api) -> None:
    async with _sleeper(product), product.events("/events") as awake:
        await until_streams(product, 2)
        end = time.monotonic() + 30
        job = ""
        while await product.counted("api", "streams_open") > 1:
            assert time.monotonic() < end, "the sleeper was never cut off"
            for _ in range(20):
                job = await api.submit("any", "x" * 3_900)
        await awake.seen(job, "pending")


async def until_streams(product: Product, count: int) -> None:
    async def look() -> bool:
        return await product.counted("api", "streams_open") == count

    await until(look, within=5, what=f"{count} streams")


async def test_who_is_watched_while_the_server_ends_is_told_to_come_back(product: Product, api: Api) -> None:
    job = await api.submit(delay=600)
    part = product.service(product.names("api")[0])
    async with product.events("/events") as many, product.events(f"/jobs/{job}/events") as one:
        await one.seen(job, "waiting")
        start = time.monotonic()
        await part.stop()
        assert time.monotonic() - start < 8
        for events in (many, one):
            await events.ended(within=2)
            assert events.frames[-1].event == "bye"
            assert 0 < events.frames[-1].data["retry"] <= 5_000
    await part.start()
    await part.wait_ready()
    assert json.loads((await api.get(f"/jobs/{job}")).text)["state"] == "waiting"

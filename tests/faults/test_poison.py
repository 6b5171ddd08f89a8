"""Bytes that make no sense, wherever they are put: kept exactly, in nobody's way, and no work for anyone."""

import base64
import json
import random
import time
from collections.abc import Mapping
from typing import Any, Final

import pytest
from msgspec import Raw

from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import (
    ErrorInfo,
    JobFailed,
    JobRequested,
    JobSucceeded,
    encode,
    headers_of,
)
from job_contracts.topics import Topic
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

PARTITION: Final = 3
NOBODY: Final = "0198c0de-0000-7000-8000-000000000000"


def requested(job: str = NOBODY, version: int = 1) -> JobRequested:
    return JobRequested(
        job_id=job, owner="default", version=version, attempt=1, task="noop", payload=Raw(b"{}"), timeout=30,
        max_attempts=3,
    )  # fmt: skip


def succeeded(job: str = NOBODY, version: int = 2, result: bytes = b"{}") -> JobSucceeded:
    return JobSucceeded(
        job_id=job, owner="default", version=version, attempt=1, task="noop", result=Raw(result), run_seconds=0
    )  # fmt: skip


def failed(job: str = NOBODY, version: int = 2) -> JobFailed:
    error = ErrorInfo(type="Forged", message="nobody said so")
    return JobFailed(
        job_id=job, owner="default", version=version, attempt=1, task="noop", kind=ErrorKind.REJECTED, error=error
    )  # fmt: skip


def poison(good: bytes) -> Mapping[str, bytes | None]:
    """What is put on a topic, made from a message that would be good there."""
    version = json.loads(good)["type"].removesuffix("1").encode()
    return {
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "no value at all": None,
        "not UTF-8": good.replace(b'"default"', b'"\xff\xfe\x80"'),
        "of an unknown version": good.replace(version + b"1", version + b"99"),
        "noise": random.Random(3).randbytes(900 * 1024),
        "of wrong types": good.replace(b'"version":', b'"version":"x","was":'),
        "nested without end": b"[" * 100_000,
        "a version no database holds": good.replace(b'"version":', b'"version":1e400,"was":'),
    }


GOOD: Final = {
    Topic.JOBS: encode(requested()),
    Topic.RESULTS: encode(succeeded()),
    Topic.DEAD_LETTER: encode(failed()),
}


@pytest.mark.row("F20", promise="what cannot be read is kept byte for byte and stops nobody", telling=True)
@pytest.mark.timeout(180)
async def test_poison_of_any_shape_is_kept_byte_for_byte_and_stops_nobody(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    put: dict[tuple[str, int, int], bytes] = {}
    for topic, good in GOOD.items():
        for value in poison(good).values():
            place = await topics.produce(topic, value, key=NOBODY.encode(), partition=PARTITION)
            put[place] = value or b""
    began = time.monotonic()
    jobs = [await api.submit("noop") for _ in range(60)]
    await records.all_final(jobs, within=30)
    went_on = time.monotonic() - began

    async def stood_behind() -> bool:
        # Producers take the partitions in turn, a group of messages each: how many jobs it takes is theirs to say.
        jobs.append(await api.submit("noop"))
        await records.all_final(jobs, within=30)
        behind = {
            r.topic
            for topic in (Topic.JOBS, Topic.RESULTS)
            for r in await topics.dump(topic)
            if r.partition == PARTITION and (r.topic, r.partition, r.offset) not in put
        }
        assert behind == {Topic.JOBS, Topic.RESULTS}, behind
        return True

    await until(stood_behind, within=60, what="jobs to stand behind the poison on both topics")

    async def kept() -> dict[tuple[str, int, int], dict[str, Any]]:
        letters = {}
        for letter in await records.dead_letters(kind="message_rejected"):
            # What was put on `dead-letter` itself stands there; the rest was diverted from where it stood.
            source = letter.get("source") or letter["origin"]
            letters[source["topic"], source["partition"], source["offset"]] = letter
        missing = put.keys() - letters.keys()
        assert not missing, f"not kept: {sorted(missing)}"
        return {place: letters[place] for place in put}

    letters = await until(kept, within=30, what="all poison to be kept", every=0.3)
    for place, value in put.items():
        assert bytes(letters[place]["raw"]) == value, f"{place} was changed"
        assert letters[place]["error"]["message"]
    await topics.drained()

    watch = product.cpu("job-worker"), product.cpu("result-worker"), product.cpu("dlq-worker")
    jobs_meanwhile = []
    until_then = time.monotonic() + 5
    while time.monotonic() < until_then:
        jobs_meanwhile.append(await api.submit("sleep", {"seconds": 0.5}))
        await records.all_final(jobs_meanwhile, within=20)
    busy = sum(w.cores() for w in watch)
    assert len(await records.dead_letters(kind="message_rejected")) == len(put), "nothing loops"
    shown = await api.get("/dead-letters", params={"kind": "message_rejected", "limit": 200})
    by_id = {letter["id"]: letter for letter in shown.json()["dead_letters"]}
    for place, letter in letters.items():
        whole = (
            by_id[letter["_id"]].get("raw") or (await api.get(f"/dead-letters/{letter['_id']}")).json()["raw"]
        )
        assert base64.b64decode(whole) == put[place]
    await topics.drained()
    counted = await check(product, api.history, records=records, topics=topics, poison=put)
    figures(poison=len(put), jobs_behind=len(jobs), recovery_s=went_on, cores_busy=busy, **counted)
    assert busy < 0.5


@pytest.mark.row("F20", promise="messages for unknown jobs and stale versions are dropped and counted")
@pytest.mark.timeout(90)
async def test_messages_for_unknown_jobs_and_stale_versions_are_dropped_and_counted(
    product: Product, api: Api, records: Records, topics: TopicProbe
) -> None:
    readers = {Topic.JOBS: "job-worker", Topic.RESULTS: "result-worker", Topic.DEAD_LETTER: "dlq-worker"}

    async def dropped(topic: str) -> float:
        return await product.counted(readers[Topic(topic)], "messages_dropped_total", topic=topic)

    job = await api.submit("noop")
    ended = await api.finish(job)
    before = {topic: await dropped(topic) for topic in readers}
    for message in (requested(), requested(job), succeeded(), succeeded(job, 1), failed(), failed(job)):
        topic = {"JobRequested": Topic.JOBS, "JobSucceeded": Topic.RESULTS, "JobFailed": Topic.DEAD_LETTER}[
            type(message).__name__
        ]
        await topics.produce(topic, encode(message), headers=headers_of(message))
    for topic, count in before.items():

        async def both_counted(topic: str = topic, count: float = count) -> bool:
            now = await dropped(topic)
            assert now == count + 2, f"{topic}: {count} before, {now} now"
            return True

        await until(both_counted, within=20, what="both to be dropped and counted")
    assert await api.view(job) == ended, "nothing has moved the job"
    await topics.drained()


@pytest.mark.row("F20", promise="noise in headers is ignored")
@pytest.mark.timeout(90)
async def test_headers_nobody_can_decode_are_ignored_and_the_body_counts(
    api: Api, topics: TopicProbe
) -> None:
    job = await api.submit("sleep", {"seconds": 5})
    running = await api.reach(job, "running")
    noise = [("type", b"\xff\xfe"), ("version", b"\x80"), ("owner", b""), ("traceparent", b"\xc3\x28")]
    message = succeeded(job, running["version"], b'{"slept": 0}')
    await topics.produce(Topic.RESULTS, encode(message), headers=noise)
    ended = await api.finish(job, within=10)
    assert (ended["state"], ended["result"]) == ("succeeded", {"slept": 0})


@pytest.mark.row("F20", promise="noise on job-events is counted and harms no stream")
@pytest.mark.timeout(90)
async def test_noise_among_the_events_is_counted_and_harms_no_stream(
    product: Product, api: Api, topics: TopicProbe
) -> None:
    async def dropped() -> float:
        return await product.counted("api", "messages_dropped_total", topic="job-events")

    before, noise = await dropped(), [*poison(b'{"type":"job.changed.v1","version":1}').values()]
    job = await api.submit("sleep", {"seconds": 2})
    async with product.events(f"/jobs/{job}/events") as events:
        for value in noise:
            await topics.produce(Topic.JOB_EVENTS, value, key=b"noise", headers=[("state", b"\xff")])
        await events.ended(within=20)
    assert events.states(job)[-1] == "succeeded"
    assert not events.disorder()

    async def all_counted() -> bool:
        now = await dropped()
        assert now == before + len(noise), f"{before} before, {now} now"
        return True

    await until(all_counted, within=20, what="the noise to be counted")

"""Many jobs in one call, on real servers."""

import asyncio
import json
from typing import Any
from uuid import uuid4

from job_contracts.topics import Topic
from tests.integration.api.conftest import Hand
from tests.support.api import Api
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


def noops(count: int, **fields: Any) -> dict[str, Any]:
    return {"jobs": [{"task": "noop", "payload": {"n": n}} for n in range(count)], **fields}


async def test_a_thousand_jobs_are_stored_and_each_is_asked_for_once(
    api: Api, topics: TopicProbe, records: Records
) -> None:
    answer = await api.post_batch(noops(1_000, name="many"))
    assert answer.status_code == 202, answer.text
    batch, jobs = answer.json()["batch"], [job["id"] for job in answer.json()["jobs"]]
    assert answer.headers["location"] == f"/batches/{batch}"
    assert {job["state"] for job in answer.json()["jobs"]} == {"pending"}
    stored = await records.jobs(jobs)
    assert [json.loads(stored[job]["payload"])["n"] for job in jobs] == list(range(1_000))

    async def asked_for() -> bool:
        requests = [str(message.key.decode()) for message in await topics.dump(Topic.JOBS)]
        assert sorted(job for job in requests if job in stored) == jobs
        return True

    await until(asked_for, within=10, what="every job to be asked for once", every=0.5)
    view = (await api.get(f"/batches/{batch}")).json()
    assert (view["name"], view["total"], view["jobs"]["pending"], view["done"]) == (
        "many",
        1_000,
        1_000,
        False,
    )
    listed = [view["id"] for view in await api.listed(batch=batch, order="oldest")]
    assert listed == jobs


async def test_the_progress_of_a_batch_is_seen_live(product: Product, api: Api, hand: Hand) -> None:
    other = (await api.post_batch(noops(1))).json()
    key = str(uuid4())
    batch = (await api.post_batch(noops(3), key=key)).json()
    jobs = [job["id"] for job in batch["jobs"]]
    async with product.events(f"/events?batch={batch['batch']}") as events:
        for job in [other["jobs"][0]["id"], *jobs]:
            await hand.claim(job)
            await hand.succeed(job)
        for job in jobs:
            await events.seen(job, "succeeded")
    assert {frame.data["id"] for frame in events.frames if frame.event == "job"} == set(jobs)
    assert {frame.data["batch"] for frame in events.frames if frame.event == "job"} == {batch["batch"]}
    view = (await api.get(f"/batches/{batch['batch']}")).json()
    assert (view["jobs"]["succeeded"], view["done"], view["webhook"]) == (3, True, None)
    again = await api.post_batch(noops(3), key=key)
    assert (again.status_code, {job["state"] for job in again.json()["jobs"]}) == (200, {"succeeded"})


async def test_one_key_sent_at_once_by_many_makes_one_batch(api: Api, records: Records) -> None:
    key = str(uuid4())
    answers = await asyncio.gather(*(api.post_batch(noops(50), key=key) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    (batch,) = {answer.json()["batch"] for answer in answers}
    assert await records.database["jobs"].count_documents({"batch": batch}) == 50
    other = await api.post_batch(noops(51), key=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_one_bad_job_refuses_all_and_names_its_place(api: Api, records: Records) -> None:
    tag = str(uuid4())
    jobs: list[dict[str, Any]] = [{"task": "noop", "tags": [tag]} for _ in range(200)]
    jobs[7] = {"task": "image.search", "payload": {"count": 99}}
    jobs[150] = {"task": "no.such"}
    refused = await api.post_batch({"jobs": jobs})
    assert refused.status_code == 422
    pointers = {error["pointer"] for error in refused.json()["errors"]}
    assert pointers == {"/jobs/7/payload/query", "/jobs/7/payload/count", "/jobs/150/task"}
    assert await records.database["jobs"].count_documents({"tags": tag}) == 0


async def test_what_is_too_large_or_no_batch_is_refused(api: Api) -> None:
    large = await api.post_batch({"jobs": [{"task": "any", "payload": "x" * 60_000}] * 18})
    assert (large.status_code, large.json()["type"]) == (413, "/problems/too-large")
    one = await api.post_batch({"jobs": [{"task": "any", "payload": "x" * 70_000}]})
    assert [error["pointer"] for error in one.json()["errors"]] == ["/jobs/0"]
    many = await api.post_batch(noops(1_001))
    assert [error["pointer"] for error in many.json()["errors"]] == ["/jobs"]
    for body, status in ((b"{", 400), (b'{"jobs":[NaN]}', 422), (b"[" * 900_000, 422)):
        assert (await api.post_batch(body)).status_code == status, body[:20]
    hook = await api.post_batch(noops(1, webhook="https://example.org"))
    assert [error["pointer"] for error in hook.json()["errors"]] == ["/webhook"]
    assert (await api.get(f"/batches/{uuid4()}")).status_code == 404
    assert (await api.get("/batches/nope")).status_code == 404


async def test_others_are_answered_while_large_batches_are_taken(api: Api) -> None:
    jobs = [{"task": "any", "payload": {"text": "x" * 900}} for _ in range(1_000)]
    body = json.dumps({"jobs": jobs}).encode()
    batches = [asyncio.create_task(api.post_batch(body)) for _ in range(4)]
    posts = 0
    while not all(batch.done() for batch in batches):
        assert (await api.post({"task": "noop"})).status_code == 202
        posts += 1
    answers = [await batch for batch in batches]
    assert {answer.status_code for answer in answers} == {202}, [a.text[:300] for a in answers]
    assert posts > 4

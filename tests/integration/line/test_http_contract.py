"""What HTTP promises besides jobs: keys, tags of entities, lists, removal, figures, catalogue."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.product import Product
from tests.support.waiting import until


async def test_one_idempotency_key_makes_one_job_however_often_it_is_sent(api: Api) -> None:
    key, body = str(uuid4()), {"task": "noop", "payload": {}}
    answers = await asyncio.gather(*(api.post(body, key=key) for _ in range(20)))
    assert {a.status_code for a in answers} == {200, 202}, answers[0].text
    assert sorted(a.status_code for a in answers) == [200] * 19 + [202]
    assert len({a.json()["id"] for a in answers}) == 1

    other = await api.post({"task": "noop", "payload": {}, "tags": ["other"]}, key=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


@pytest.fixture
async def patient(product: Product) -> AsyncIterator[Api]:
    """A client that waits longer than any answer may take."""
    async with product.api(timeout=40) as api:
        yield api


async def test_a_submission_may_wait_for_its_job_and_a_look_for_the_next_change(
    patient: Api, figures: Figures
) -> None:
    began = time.monotonic()
    answers = await asyncio.gather(
        *(patient.post({"task": "sleep", "payload": {"seconds": 0.2}}, prefer="wait=30") for _ in range(30))
    )
    figures(thirty_waited_s=time.monotonic() - began)
    assert {(a.status_code, a.json()["state"]) for a in answers} == {(200, "succeeded")}
    assert all(a.json()["result"] == {"slept": 0.2} for a in answers)
    failed = await patient.post(
        {"task": "sleep", "payload": {"seconds": 0, "fail": "reject"}}, prefer="respond-async, wait=30"
    )
    assert (failed.status_code, failed.json()["error"]["kind"]) == (200, "rejected")

    job, seen = await patient.submit("sleep", {"seconds": 0.5}, delay=0.5), list[str]()
    etag = '"1.0"'
    while not seen or seen[-1] != "succeeded":
        answer = await patient.get(f"/jobs/{job}", headers={"prefer": "wait=30", "if-none-match": etag})
        assert answer.status_code == 200, f"nothing has changed since {etag}"
        etag = answer.headers["etag"]
        seen.append(answer.json()["state"])
    assert len(seen) <= 4, f"it was asked {len(seen)} times"


async def test_an_unchanged_job_is_not_sent_again(api: Api) -> None:
    job = await api.submit()
    await api.finish(job)
    first = await api.get(f"/jobs/{job}")
    assert first.headers["etag"] == '"3.0"'
    same = await api.get(f"/jobs/{job}", headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    older = await api.get(f"/jobs/{job}", headers={"if-none-match": '"2.0"'})
    assert older.status_code == 200


async def test_an_ended_job_can_be_removed_and_a_live_one_cannot(api: Api) -> None:
    waiting = await api.submit("noop", delay=60)
    refused = await api.call("DELETE", f"/jobs/{waiting}")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-not-final")
    await api.cancel(waiting)
    assert (await api.call("DELETE", f"/jobs/{waiting}")).status_code == 204
    gone = await api.get(f"/jobs/{waiting}")
    assert (gone.status_code, gone.json()["type"]) == (404, "/problems/not-found")
    assert (await api.call("DELETE", f"/jobs/{waiting}")).status_code == 404


async def test_a_result_is_had_only_from_a_job_that_succeeded(api: Api) -> None:
    job = await api.submit("noop", delay=60)
    missing = await api.get(f"/jobs/{job}/result")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/no-result")


async def test_lists_go_page_by_page_in_both_orders_and_by_filter(api: Api) -> None:
    tag = str(uuid4())
    jobs = [await api.submit("noop", tags=[tag, "even" if n % 2 == 0 else "odd"]) for n in range(7)]
    for job in jobs:
        await api.finish(job)

    async def ids(**query: object) -> list[str]:
        return [view["id"] for view in await api.listed(tag=tag, **query)]

    assert await ids(limit=3) == jobs[::-1]
    assert await ids(limit=3, order="oldest") == jobs
    assert await ids(state=["succeeded", "failed"]) == jobs[::-1]
    assert await ids(state="failed") == []
    assert await ids(task="noop") == jobs[::-1]
    assert await ids(task="sleep") == []
    both = await api.get("/jobs", params={"tag": [tag, "even"]})
    assert [view["id"] for view in both.json()["jobs"]] == jobs[::-2]
    page = (await api.get("/jobs", params={"tag": tag, "limit": 3})).json()
    assert len(page["jobs"]) == 3
    assert page["next_cursor"]


async def test_nonsense_in_a_query_is_refused_by_its_name(api: Api) -> None:
    for path, query, pointer in (
        ("/jobs", {"colour": "red"}, "/colour"),
        ("/jobs", {"limit": "0"}, "/limit"),
        ("/jobs", {"limit": "many"}, "/limit"),
        ("/jobs", {"state": "happy"}, "/state/0"),
        ("/jobs", {"cursor": "nonsense"}, "/cursor"),
        ("/jobs", {"created_after": "yesterday"}, "/created_after"),
        ("/dead-letters", {"colour": "red"}, "/colour"),
        ("/events", {"state": "happy"}, "/state/0"),
    ):
        answer = await api.get(path, params=query)
        assert answer.status_code == 422, f"{path} {query}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_paths_and_methods_that_are_none_are_answered_as_problems(api: Api) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/jobs/not-an-id", 404),
        ("GET", f"/jobs/{uuid4()}", 404),
        ("GET", f"/jobs/{uuid4()}/events", 404),
        ("GET", f"/jobs/{uuid4()}/attempts", 404),
        ("POST", f"/jobs/{uuid4()}/cancel", 404),
        ("POST", f"/jobs/{uuid4()}/redrive", 404),
        ("PUT", "/jobs", 405),
        ("DELETE", "/jobs", 405),
        ("GET", "/tasks/nothing", 404),
    ):
        answer = await api.call(method, path)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_stats_count_jobs_workers_and_lag(api: Api) -> None:
    waiting = await api.submit("noop", delay=60)
    done = await api.submit("noop")
    await api.finish(done)

    async def counted() -> bool:
        stats = (await api.get("/stats")).json()
        assert stats["jobs"]["waiting"] >= 1
        assert stats["jobs"]["succeeded"] >= 1
        assert stats["tasks"]["noop"]["waiting"] >= 1
        assert stats["finished_last_minute"] >= 1
        assert stats["lag"] == {"jobs": 0, "results": 0, "dead-letter": 0}, stats["lag"]
        assert stats["workers"]
        assert {"id", "slots", "busy", "alive_until"} <= stats["workers"][0].keys()
        return True

    await until(counted, within=20, what="the figures to be right", every=0.5)
    await api.cancel(waiting)


async def test_the_catalogue_says_what_each_task_takes(api: Api) -> None:
    tasks = {task["name"]: task for task in (await api.get("/tasks")).json()["tasks"]}
    assert {"noop", "sleep", "image.search"} <= tasks.keys()
    assert tasks["image.search"]["payload_schema"]["properties"]["count"]["maximum"] == 30
    assert (await api.get("/tasks/sleep")).json() == tasks["sleep"]


async def test_drawn_pictures_are_served_by_their_hash_and_may_be_kept_for_ever(api: Api) -> None:
    job = await api.submit("image.search", {"query": "mountains", "count": 2})
    ended = await api.finish(job, within=30)
    assert ended["state"] == "succeeded", ended["error"]
    result = ended["result"]
    assert (result["provider"], len(result["images"])) == ("sample", 2)
    url = result["images"][0]["urls"]["regular"]
    picture = await api.get(httpx.URL(url).path)
    assert picture.status_code == 200, picture.text
    assert picture.headers["content-type"].startswith("image/")
    assert "immutable" in picture.headers["cache-control"]


async def test_the_ops_port_tells_of_health_and_figures_and_the_public_one_does_not(
    product: Product, api: Api
) -> None:
    for kind in ("api", "job-worker", "result-worker", "dlq-worker"):
        for name in product.names(kind):
            code, body = await product.readiness(name)
            assert (code, body["status"]) == (200, "ready"), f"{name}: {body}"
            assert await product.metrics(name)
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await api.get(path)).status_code == 404

"""A job over HTTP: submitted, read, listed, stopped, redriven, removed."""

import asyncio
import base64
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from bson import Binary

from job_contracts.messages import read_event, read_requested
from job_contracts.topics import Topic
from tests.integration.api.conftest import Hand
from tests.support.api import Api
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until

NOBODY = "0198c0de-0000-7000-8000-00000000dead"


def _slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"]).removeprefix("/problems/")


async def test_a_submission_is_stored_answered_requested_and_announced(
    api: Api, records: Records, topics: TopicProbe
) -> None:
    answer = await api.post({"task": "noop", "payload": {"a": 1}, "tags": ["x"]}, traceparent="00-aa-bb-01")
    view = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{view['id']}"
    assert (view["state"], view["version"], view["payload"], view["tags"]) == ("pending", 1, {"a": 1}, ["x"])
    assert (await api.get(f"/jobs/{view['id']}")).json() == view

    async def both() -> bool:
        asked = [read_requested(r.value) for r in await topics.dump(Topic.JOBS)]
        shown = [read_event(r.value) for r in await topics.dump(Topic.JOB_EVENTS)]
        assert [m.traceparent for m in asked if m.job_id == view["id"]] == ["00-aa-bb-01"]
        return any(m.job_id == view["id"] for m in shown)

    await until(both, within=10, what="both messages")
    record = await records.job(view["id"])
    assert record["payload"] == '{"a":1}'


async def test_a_queueing_job_whose_message_kafka_has_is_looked_after_later(
    api: Api, records: Records
) -> None:
    job = await api.submit()

    async def far_out() -> bool:
        record = await records.job(job)
        return bool((record["wake_at"] - record["created_at"]).total_seconds() > 300)

    await until(far_out, within=5, what="wake_at to move far out before the grace is over")


async def test_many_posts_at_once_are_each_answered_with_their_own_job(api: Api) -> None:
    answers = await asyncio.gather(*(api.post({"task": "noop", "payload": {"n": n}}) for n in range(200)))
    assert {answer.status_code for answer in answers} == {202}
    assert [answer.json()["payload"]["n"] for answer in answers] == list(range(200))
    assert len({answer.json()["id"] for answer in answers}) == 200


async def test_an_unchanged_job_is_not_sent_again(api: Api) -> None:
    job = await api.submit()
    etag = (await api.get(f"/jobs/{job}")).headers["etag"]
    assert etag == '"1.0"'
    for known in (etag, f"W/{etag}", f'"9.9", {etag}', "*"):
        answer = await api.get(f"/jobs/{job}", headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await api.get(f"/jobs/{job}", headers={"if-none-match": '"1.1"'})).status_code == 200


async def test_a_result_is_inside_the_view_and_alone(api: Api, hand: Hand) -> None:
    job = await api.submit()
    answer = await api.get(f"/jobs/{job}/result")
    assert (answer.status_code, _slug(answer)) == (404, "no-result")
    await hand.claim(job)
    await hand.succeed(job, '{"x": [1, 2]}')
    view = await api.view(job)
    assert (view["state"], view["result"], view["version"]) == ("succeeded", {"x": [1, 2]}, 3)
    assert (await api.get(f"/jobs/{job}/result")).json() == {"x": [1, 2]}


async def test_a_long_result_stands_apart(api: Api, hand: Hand) -> None:
    job = await api.submit(tags=["long"])
    await hand.claim(job)
    await hand.succeed(job, '"' + "x" * 70_000 + '"')
    view = await api.view(job)
    assert (view["result"], view["result_url"]) == (None, f"/jobs/{job}/result")
    assert len((await api.get(view["result_url"])).content) == 70_002
    (listed,) = await api.listed(tag="long")
    assert (listed["result"], listed["result_url"]) == (None, f"/jobs/{job}/result")


async def test_the_result_of_a_zombie_is_never_shown(api: Api, hand: Hand) -> None:
    job = await api.submit()
    await hand.claim(job)
    stray = {"_id": {"job": job, "version": 7}, "owner": "default", "result": '"stray"'}
    await hand.records.database["results"].insert_one(stray)
    await hand.succeed(job, '"true"')
    assert (await api.view(job))["result"] == "true"


async def test_attempts_tell_the_past_and_the_present(api: Api, hand: Hand) -> None:
    job = await api.submit()
    assert await api.attempts(job) == []
    await hand.claim(job)
    (running,) = await api.attempts(job)
    assert (running["attempt"], running["worker"], running["outcome"], running["finished_at"]) == (
        1,
        "w1",
        None,
        None,
    )
    await hand.fail(job)
    (failed,) = await api.attempts(job)
    assert (failed["attempt"], failed["outcome"]) == (1, "rejected")
    assert failed["error"]["message"] == "it broke"
    assert failed["finished_at"].endswith("Z")


async def test_cancel_stops_what_waits_at_once_and_asks_what_runs(api: Api, hand: Hand) -> None:
    waiting, running = await api.submit(delay=600), await api.submit()
    await hand.claim(running)
    assert (await api.cancel(waiting)).json()["state"] == "cancelled"
    asked = (await api.cancel(running)).json()
    assert (asked["state"], asked["cancel_requested"], asked["version"], asked["revision"]) == (
        "running",
        True,
        2,
        1,
    )
    assert (await api.cancel(running)).json()["revision"] == 1
    assert _slug(await api.cancel(waiting)) == "job-already-final"
    assert (await api.cancel(NOBODY)).status_code == 404


async def test_a_failed_job_is_redriven_three_times_and_then_by_force(api: Api, hand: Hand) -> None:
    job = await api.submit("any", {"a": 1})
    assert _slug(await api.redrive(job)) == "job-not-failed"
    for time in range(1, 4):
        await hand.claim(job)
        await hand.fail(job)
        answer = await api.redrive(job)
        assert (answer.status_code, answer.json()["redrives"], answer.json()["error"]) == (202, time, None)
    await hand.claim(job)
    await hand.fail(job)
    assert (await api.redrive(job)).status_code == 409
    answer = await api.redrive(job, force=True, payload={"b": [2]})
    assert (answer.status_code, answer.json()["payload"], answer.json()["state"]) == (
        202,
        {"b": [2]},
        "pending",
    )


async def test_a_redrive_cannot_bring_in_a_payload_that_does_not_fit(api: Api, hand: Hand) -> None:
    job = await api.submit("image.search", {"query": "sea"})
    await hand.claim(job)
    await hand.fail(job)
    for body, pointer in (({"payload": {}}, "/payload/query"), ({"force": 1}, "/force"), ({"x": 1}, "/x")):
        answer = await api.redrive(job, **body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.view(job))["state"] == "failed"


async def test_only_ended_jobs_can_be_removed_and_their_results_go_too(api: Api, hand: Hand) -> None:
    job = await api.submit()
    assert _slug(await api.call("DELETE", f"/jobs/{job}")) == "job-not-final"
    await hand.claim(job)
    await hand.succeed(job)
    assert (await api.call("DELETE", f"/jobs/{job}")).status_code == 204
    assert (await api.get(f"/jobs/{job}")).status_code == 404
    assert await hand.records.results([job]) == {}
    assert (await api.call("DELETE", f"/jobs/{job}")).status_code == 404


async def test_a_repeated_key_gives_the_first_job_as_it_is_now(api: Api, hand: Hand) -> None:
    key = str(uuid4())
    first = await api.post({"task": "noop"}, key=key)
    job = first.json()["id"]
    await hand.claim(job)
    await hand.succeed(job)
    again = await api.post({"task": "noop"}, key=key)
    assert (again.status_code, again.json()["id"]) == (200, job)
    assert (again.json()["state"], again.json()["result"]) == ("succeeded", {"done": True})
    other = await api.post({"task": "noop", "delay": 5}, key=key)
    assert (other.status_code, _slug(other)) == (422, "idempotency-key-reused")


async def test_one_key_posted_at_once_by_many_makes_one_job(api: Api, records: Records) -> None:
    key = str(uuid4())
    answers = await asyncio.gather(*(api.post({"task": "noop"}, key=key) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await records.database["jobs"].count_documents({"idempotency.key": key}) == 1


async def test_a_list_is_read_page_by_page_without_gap_or_repeat(api: Api, hand: Hand) -> None:
    tag = str(uuid4())
    jobs = [await api.submit("any", {"n": n}, tags=[tag, "odd" if n % 2 else "even"]) for n in range(7)]
    await hand.claim(jobs[3])
    for order, expected in (("newest", jobs[::-1]), ("oldest", jobs)):
        assert [v["id"] for v in await api.listed(tag=tag, order=order, limit=2)] == expected
    assert [v["id"] for v in await api.listed(tag=[tag, "odd"], order="oldest", limit=1)] == jobs[1::2]
    assert [v["id"] for v in await api.listed(tag=tag, state=["running", "failed"])] == [jobs[3]]
    assert [v["id"] for v in await api.listed(tag=tag, state="failed")] == []
    assert [v["id"] for v in await api.listed(tag=tag, task="noop")] == []
    since = (await api.view(jobs[4]))["created_at"]
    assert jobs[0] not in [v["id"] for v in await api.listed(tag=tag, created_after=since)]
    assert jobs[6] not in [v["id"] for v in await api.listed(tag=tag, created_before=since)]


async def test_failed_jobs_are_found_by_their_error(api: Api, hand: Hand) -> None:
    job = await api.submit()
    await hand.claim(job)
    await hand.fail(job)
    assert job in [v["id"] for v in await api.listed(error_type="Boom")]
    assert await api.listed(error_type="Boom", state="running") == []


async def test_the_catalogue_is_what_workers_have_written(api: Api) -> None:
    answer = (await api.get("/tasks")).json()
    assert [task["name"] for task in answer["tasks"]] == ["any", "image.search", "image.used", "noop"]
    task = (await api.get("/tasks/image.search")).json()
    assert task["payload_schema"]["required"] == ["query"]
    assert (task["options"]["max_attempts"], task["paused"]) == (5, False)
    assert _slug(await api.get("/tasks/nope")) == "not-found"


async def test_dead_letters_are_read_newest_first_with_their_bytes(api: Api, records: Records) -> None:
    now = datetime.now(UTC)
    raw = bytes(range(256))
    letters: list[dict[str, Any]] = [
        {
            "_id": f"c1.dead-letter.0.{n}",
            "kind": "message_rejected" if n else "exhausted",
            "error": {"type": "UnreadableError", "message": "noise"},
            "origin": {"topic": "dead-letter", "partition": 0, "offset": n, "timestamp": now},
            "source": {"topic": "jobs", "partition": 1, "offset": 77, "timestamp": now},
            "raw": Binary(raw if n < 4 else b"x" * 5_000),
            "redriven": 0,
            "created_at": now,
        }
        for n in range(5)
    ]
    await records.database["dead_letters"].insert_many(letters)
    found, cursor = [], None
    while True:
        params: dict[str, Any] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.get("/dead-letters", params=params)).json()
        found += page["dead_letters"]
        if not (cursor := page["next_cursor"]):
            break
    assert [letter["id"] for letter in found] == [f"c1.dead-letter.0.{n}" for n in (4, 3, 2, 1, 0)]
    assert base64.b64decode(found[1]["raw"]) == raw
    assert found[0]["raw"] is None
    assert found[0]["job"] is None
    assert found[0]["source"]["offset"] == 77
    one = (await api.get("/dead-letters/c1.dead-letter.0.4")).json()
    assert base64.b64decode(one["raw"]) == b"x" * 5_000
    kinds = (await api.get("/dead-letters", params={"kind": "exhausted"})).json()["dead_letters"]
    assert [letter["id"] for letter in kinds] == ["c1.dead-letter.0.0"]
    groups = (await api.get("/dead-letters/groups")).json()
    assert [(g["task"], g["kind"], g["error_type"], g["count"]) for g in groups["groups"]] == [
        (None, "message_rejected", "UnreadableError", 4),
        (None, "exhausted", "UnreadableError", 1),
    ]
    assert groups["groups"][0]["first"] == groups["groups"][0]["last"] == one["created_at"]
    assert groups["complete"]
    assert _slug(await api.get("/dead-letters/nope")) == "not-found"
    bad = await api.get("/dead-letters", params={"cursor": base64.urlsafe_b64encode(b"x\ny").decode()})
    assert bad.json()["errors"][0]["pointer"] == "/cursor"


async def test_a_picture_never_changes(api: Api, records: Records) -> None:
    digest = "ab" * 32
    picture = {
        "_id": digest,
        "content_type": "image/png",
        "bytes": Binary(b"\x89PNG"),
        "width": 1,
        "height": 1,
    }
    await records.database["images"].replace_one({"_id": digest}, picture, upsert=True)
    answer = await api.get(f"/images/{digest}")
    assert (answer.content, answer.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert "immutable" in answer.headers["cache-control"]
    again = await api.get(f"/images/{digest}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    for name in ("cd" * 32, "x", "..%2f"):
        assert _slug(await api.get(f"/images/{name}")) == "not-found"


async def test_figures_tell_how_the_whole_is_doing(api: Api, records: Records) -> None:
    soon = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
    worker = {"_id": "w9", "alive_until": soon, "slots": 100, "busy": 2, "tasks": ["noop"], "host": "h"}
    await records.database["workers"].replace_one({"_id": "w9"}, worker, upsert=True)
    await api.submit()

    async def told() -> dict[str, Any]:
        stats: dict[str, Any] = (await api.get("/stats")).json()
        assert stats["jobs"]["pending"] >= 1
        assert stats["lag"] is not None
        assert [w["id"] for w in stats["workers"]] == ["w9"]
        return stats

    stats = await until(told, within=10, what="the figures")
    assert set(stats["jobs"]) == {"pending", "waiting", "running", "succeeded", "failed", "cancelled"}
    assert set(stats["lag"]) == {"jobs", "results", "dead-letter"}
    assert stats["oldest_pending_seconds"] >= 0

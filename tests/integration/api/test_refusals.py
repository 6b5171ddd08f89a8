"""Whatever goes wrong is answered as a problem: never HTML, never a traceback, never a 500."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from bson.datetime_ms import DatetimeMS

from api.openapi import shapes
from tests.support.api import Api
from tests.support.product import Product
from tests.support.records import Records
from tests.unit.api.test_submission import BAD

NOBODY = "0198c0de-0000-7000-8000-00000000dead"


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("/problems/")
    assert body["title"]
    assert body["detail"]
    assert body["instance"].startswith("/")
    return body


async def test_bad_submissions_are_refused_over_http_too(api: Api) -> None:
    for body, status, pointers in BAD:
        problem = _problem(await api.post(body), status)
        assert {e["pointer"] for e in problem.get("errors", [])} == set(pointers)


REFUSED = [
    ("GET", "/nope", 404),
    ("GET", "/jobs/", 404),
    ("GET", "/jobs/5", 404),
    ("GET", f"/jobs/{NOBODY.upper()}", 404),
    ("GET", f"/jobs/{NOBODY}", 404),
    ("GET", f"/jobs/{NOBODY}/result", 404),
    ("GET", f"/jobs/{NOBODY}/attempts", 404),
    ("GET", f"/jobs/{NOBODY}/events", 404),
    ("GET", "/jobs/x/events", 404),
    ("GET", f"/jobs/{NOBODY}/nope", 404),
    ("GET", "/jobs/%00", 404),
    ("GET", "/jobs/%F0%9F%98%80", 404),
    ("GET", "/jobs/%FF", 404),
    ("POST", f"/jobs/{NOBODY}/cancel", 404),
    ("POST", "/jobs/x/cancel", 404),
    ("POST", f"/jobs/{NOBODY}/redrive", 404),
    ("DELETE", f"/jobs/{NOBODY}", 404),
    ("GET", "/problems/nope", 404),
    ("PUT", "/jobs", 405),
    ("DELETE", "/jobs", 405),
    ("GET", f"/jobs/{NOBODY}/logs", 404),
    ("POST", "/tasks/nope/pause", 404),
    ("POST", "/tasks/nope/resume", 404),
    ("PATCH", "/jobs", 405),
    ("GET", "/tasks/noop/pause", 405),
    ("GET", "/dead-letters/redrive", 405),
    ("POST", "/events", 405),
    ("POST", "/stats", 405),
    ("HEAD", "/jobs", 405),
    ("OPTIONS", "/jobs", 405),
    ("POST", "/jobs/batch", 415),
    ("GET", "/jobs/batch", 405),
    ("PUT", "/jobs/batch", 405),
    ("GET", "/batches", 404),
    ("GET", "/batches/x", 404),
    ("POST", f"/batches/{NOBODY}", 405),
    ("GET", f"/batches/{NOBODY}?x=1", 422),
    ("GET", "/dead-letters/groups?x=1", 422),
    ("GET", "/schedules", 404),
    ("GET", "/jobs?limit=0", 422),
    ("GET", "/jobs?limit=201", 422),
    ("GET", "/jobs?limit=x", 422),
    ("GET", "/jobs?state=nope", 422),
    ("GET", "/jobs?state=failed&state=", 422),
    ("GET", "/jobs?order=random", 422),
    ("GET", "/jobs?cursor=x", 422),
    ("GET", "/jobs?created_after=2026", 422),
    ("GET", "/jobs?created_after=2026-01-01T00:00:00", 422),
    ("GET", "/jobs?colour=red", 422),
    ("GET", f"/jobs/{NOBODY}?x=1", 422),
    ("GET", "/stats?minutes=0", 422),
    ("GET", "/stats?minutes=181", 422),
    ("GET", "/stats?minutes=x", 422),
    ("GET", "/stats?hours=1", 422),
    ("GET", "/events?colour=red", 422),
    ("GET", "/events?state=nope", 422),
    ("GET", "/dead-letters?limit=0", 422),
    ("GET", "/dead-letters?kind=bogus", 422),
    ("GET", "/dead-letters?kind=", 422),
    ("POST", "/jobs?foo=1", 422),
    ("POST", "/jobs?", 415),
    ("GET", f"/jobs/{NOBODY}/events?foo=1", 422),
    ("GET", "/jobs?limit=1&limit=2", 422),
    ("GET", "/events?task=a&task=b", 422),
    ("GET", "/stats?minutes=1&minutes=1", 422),
    ("GET", "/jobs?" + "&" * 101, 422),
    ("HEAD", "/events", 405),
    ("HEAD", f"/jobs/{NOBODY}/events", 405),
    ("OPTIONS", "/events", 405),
    ("POST", "/jobs%0A", 404),
    ("GET", "/jobs%0A", 404),
    ("GET", "/events%0A", 404),
    ("POST", "/jobs/", 404),
    ("POST", "//jobs", 404),
    ("GET", "/events/", 404),
    ("GET", "/stats%7F", 404),
]


async def test_every_refusal_is_a_problem(api: Api) -> None:
    for method, path, status in REFUSED:
        answer = await api.call(method, path)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        if method == "HEAD":
            continue
        problem = _problem(answer, status)
        assert status != 405 or answer.headers["allow"]
        assert status != 422 or problem["errors"]


async def test_a_405_names_the_methods_that_work(api: Api) -> None:
    assert (await api.call("PUT", "/jobs")).headers["allow"] == "GET, POST"
    for method in ("HEAD", "OPTIONS", "PUT"):
        assert (await api.call(method, "/events")).headers["allow"] == "GET"
        assert (await api.call(method, f"/jobs/{NOBODY}/events")).headers["allow"] == "GET"
    assert (await api.call("PUT", f"/jobs/{NOBODY}")).headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonp"},
        {"content-type": ""},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json; a=b; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_a_body_of_another_kind_is_refused(api: Api, headers: dict[str, str]) -> None:
    _problem(await api.call("POST", "/jobs", content=b'{"task":"noop"}', headers=headers), 415)


async def test_json_may_name_its_charset(api: Api) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await api.call("POST", "/jobs", content=b'{"task":"noop"}', headers=headers)).status_code == 202


def _padded(size: int) -> bytes:
    frame = b'{"task":"any","payload":""}'
    return frame.replace(b'""', b'"%s"' % (b"x" * (size - len(frame))))


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_have_64_kib_and_not_a_byte_more(api: Api, chunked: bool) -> None:
    async def pieces(body: bytes) -> Any:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    for size, status in ((64 * 1024, 202), (64 * 1024 + 1, 413), (3_000_000, 413)):
        body = _padded(size)
        answer = await api.call(
            "POST",
            "/jobs",
            content=pieces(body) if chunked else body,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == status
        if status == 413:
            _problem(answer, 413)
    assert (await api.post({"task": "noop"})).status_code == 202


async def test_a_redrive_is_held_to_the_same_limits(api: Api) -> None:
    path = f"/jobs/{NOBODY}/redrive"
    _problem(await api.call("POST", path, content=b"{}", headers={"content-type": "text/plain"}), 415)
    big = _padded(70_000)
    _problem(await api.call("POST", path, content=big, headers={"content-type": "application/json"}), 413)
    _problem(await api.call("POST", path, content=b"{", headers={"content-type": "application/json"}), 400)


async def test_what_is_no_http_is_answered_in_json(product: Product) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(product.stack.api_urls[0]).port)
    writer.write(b"GARBAGE\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    head, _, body = answer.partition(b"\r\n\r\n")
    writer.close()
    assert b" 400 " in head
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


async def test_every_problem_has_its_entry(api: Api) -> None:
    for kind in (await api.get("/problems")).json()["problems"]:
        entry = (await api.get(f"/problems/{kind['slug']}")).json()
        assert entry["remedy"], kind


async def test_the_description_is_whole(api: Api) -> None:
    document = (await api.get("/openapi.json")).json()
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named <= schemas.keys()
    assert {"Submission", "JobView", "ProblemBody"} <= named
    assert shapes().items() <= schemas.items(), "what the page's types are made from"
    assert schemas["Submission"]["additionalProperties"] is False
    assert schemas["BatchSubmission"]["properties"]["jobs"]["items"]["$ref"].endswith("/Submission")
    waiting = [
        document["paths"][path][method] for path, method in (("/jobs", "post"), ("/jobs/{job_id}", "get"))
    ]
    assert all("Prefer" in {parameter["name"] for parameter in call["parameters"]} for call in waiting)
    assert {"/jobs", "/jobs/{job_id}", "/events", "/jobs/{job_id}/events", "/stats"} <= document[
        "paths"
    ].keys()
    bodies = {
        (path, method): call["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[
            2
        ]
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if "requestBody" in call
    }
    assert bodies == {
        ("/jobs", "post"): "Submission",
        ("/jobs/batch", "post"): "BatchSubmission",
        ("/jobs/cancel", "post"): "CancelMany",
        ("/jobs/{job_id}", "patch"): "Reschedule",
        ("/jobs/{job_id}/redrive", "post"): "Redrive",
        ("/dead-letters/redrive", "post"): "RedriveMany",
        ("/tasks/{name}/pause", "post"): "PauseOrder",
        ("/images/{image_id}/used", "post"): "Use",
    }
    assert (await api.get("/docs")).status_code == 200
    assert (await api.get("/")).json()["jobs"] == "/jobs"


ENDS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]


@pytest.mark.parametrize("moment", ENDS)
async def test_a_redrive_of_letters_of_no_calendar_is_refused(api: Api, moment: str) -> None:
    for name in ("after", "before"):
        wanted: dict[str, Any] = {name: moment}
        refused = await api.redrive_many(dry_run=True, **wanted)
        assert [e["pointer"] for e in _problem(refused, 422)["errors"]] == [f"/filter/{name}"]
        _problem(await api.get("/dead-letters", params={name: moment}), 422)
        _problem(await api.get("/jobs", params={f"created_{name}": moment}), 422)
    job = await api.submit("noop", delay=60)
    _problem(await api.patch(job, run_at=moment), 422)


async def test_lists_and_figures_show_what_stands_beside_what_nobody_can_read(
    api: Api, records: Records
) -> None:
    good = await api.submit("noop", tags=["beside"])
    database = records.database
    record: dict[str, Any] = await database["jobs"].find_one({"_id": good}) or {}
    far = DatetimeMS(2**60)
    await database["jobs"].insert_many(
        [
            {**record, "_id": good[:-4] + "0001", "created_at": far, "wake_at": far},
            {**record, "_id": good[:-4] + "0002", "payload": "no JSON"},
            {"_id": good[:-4] + "0003", "owner": "default", "tags": ["beside"]},
        ]
    )
    letter = {"kind": "exhausted", "task": "noop", "owner": "default"}
    await database["dead_letters"].insert_many(
        [
            {**letter, "_id": "far", "created_at": far},
            {**letter, "_id": "odd", "created_at": record["created_at"]},
        ]
    )
    try:
        answer = await api.get("/jobs", params={"tag": "beside"})
        assert answer.status_code == 200, answer.text
        listed = answer.json()["jobs"]
        assert {good, good[:-4] + "0001"} == {job["id"] for job in listed}
        assert max(job["created_at"] for job in listed).startswith("9999-")
        for path in ("/jobs", "/dead-letters", "/dead-letters/groups", "/stats?minutes=5", "/tasks"):
            assert (await api.get(path)).status_code == 200, path
    finally:
        await database["jobs"].delete_many({"tags": "beside"})
        await database["dead_letters"].delete_many({"_id": {"$in": ["far", "odd"]}})


@pytest.mark.parametrize("path", ["/jobs", "/jobs/batch"])
async def test_a_key_is_one_word_of_visible_ascii(api: Api, path: str) -> None:
    body = b'{"task":"noop"}' if path == "/jobs" else b'{"jobs":[{"task":"noop"}]}'
    kind = ("content-type", "application/json")
    for keys in (["a", "b"], ["kl\u00e9"], ["a b"], ["x" * 256], [""]):
        headers = [kind, *(("idempotency-key", key.encode("latin-1")) for key in keys)]
        _problem(await api.call("POST", path, content=body, headers=headers), 422)
    headers = [kind, ("idempotency-key", "the-same"), ("idempotency-key", "the-same")]
    assert (await api.call("POST", path, content=body, headers=headers)).status_code == 202


async def test_a_form_of_another_site_moves_nothing(api: Api) -> None:
    job = await api.submit("noop", delay=60)
    headers = {"content-type": "text/plain"}
    for method, path in (
        ("POST", f"/jobs/{job}/cancel"),
        ("DELETE", f"/jobs/{job}"),
        ("POST", "/tasks/noop/resume"),
    ):
        _problem(await api.call(method, path, content=b"x=1", headers=headers), 415)
    assert (await api.view(job))["state"] == "waiting"
    assert (await api.cancel(job)).status_code == 200


async def test_a_redrive_of_letters_of_a_kind_that_there_is_not_is_refused(api: Api) -> None:
    problem = _problem(await api.redrive_many(kind="bogus", dry_run=True), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/filter/kind"]
    assert (await api.redrive_many(kind="message_rejected", dry_run=True)).status_code == 200

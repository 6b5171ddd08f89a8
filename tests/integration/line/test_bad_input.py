"""The contract of POST /jobs, line by line: what is wrong is refused, and the field is named."""

import json
from typing import Any

import pytest

from tests.support.api import Api

NOOP = {"task": "noop", "payload": {}}


def raw(**fields: Any) -> bytes:
    """A body in which everything but these fields is right."""
    return json.dumps({**NOOP, **fields}).encode()


DEEP = b'{"task": "noop", "payload": ' + b'{"a":' * 80 + b"1" + b"}" * 80 + b"}"

TABLE = [
    # what, body, status, the pointers of the fields that are named
    ("nothing at all", b"", 400, []),
    ("space", b"  \n", 400, []),
    ("half a document", b'{"task": "no', 400, []),
    ("text", b"hello", 400, []),
    ("not UTF-8", b'{"task": "n\xff\xfeop"}', 400, []),
    ("UTF-16", '{"task": "noop"}'.encode("utf-16"), 400, []),
    ("a list", b"[]", 422, [""]),
    ("null", b"null", 422, [""]),
    ("a number", b"7", 422, [""]),
    ("no task", b"{}", 422, ["/task"]),
    ("a task that is a number", raw(task=7), 422, ["/task"]),
    ("a task that is null", raw(task=None), 422, ["/task"]),
    ("an empty task", raw(task=""), 422, ["/task"]),
    ("an unknown task", raw(task="image.serch"), 422, ["/task"]),
    ("an unknown field", raw(colour="red"), 422, ["/colour"]),
    ("two wrong fields", raw(colour="red", timeout="long"), 422, ["/colour", "/timeout"]),
    ("a priority there is not", raw(priority="high"), 422, ["/priority"]),
    ("a payload that is no object", raw(payload=7), 422, ["/payload"]),
    ("a payload with an unknown field", raw(payload={"a": 1}), 422, ["/payload/a"]),
    ("a payload that lacks a field", raw(task="sleep"), 422, ["/payload/seconds"]),
    ("a payload out of range", raw(task="sleep", payload={"seconds": -1}), 422, ["/payload/seconds"]),
    (
        "too many pictures",
        raw(task="image.search", payload={"query": "a", "count": 31}),
        422,
        ["/payload/count"],
    ),
    ("no attempts", raw(max_attempts=0), 422, ["/max_attempts"]),
    ("too many attempts", raw(max_attempts=101), 422, ["/max_attempts"]),
    ("half an attempt", raw(max_attempts=1.5), 422, ["/max_attempts"]),
    ("attempts as text", raw(max_attempts="3"), 422, ["/max_attempts"]),
    (
        "attempts beyond any integer",
        b'{"task": "noop", "max_attempts": 1' + b"0" * 40 + b"}",
        422,
        ["/max_attempts"],
    ),
    ("no time", raw(timeout=0), 422, ["/timeout"]),
    ("more than a day", raw(timeout=86_401), 422, ["/timeout"]),
    ("a timeout as text", raw(timeout="5"), 422, ["/timeout"]),
    ("a delay into the past", raw(delay=-1), 422, ["/delay"]),
    ("a delay of years", raw(delay=400 * 86_400), 422, ["/delay"]),
    ("a time and a delay", raw(delay=1, run_at="2030-01-01T00:00:00Z"), 422, ["/run_at"]),
    ("a time without a zone", raw(run_at="2030-01-01T00:00:00"), 422, ["/run_at"]),
    ("a time in words", raw(run_at="tomorrow"), 422, ["/run_at"]),
    ("a time as a number", raw(run_at=1_900_000_000), 422, ["/run_at"]),
    ("a time in the far future", raw(run_at="2999-01-01T00:00:00Z"), 422, ["/run_at"]),
    ("tags as text", raw(tags="a"), 422, ["/tags"]),
    ("seventeen tags", raw(tags=[str(n) for n in range(17)]), 422, ["/tags"]),
    ("an endless tag", raw(tags=["a" * 65]), 422, ["/tags/0"]),
    ("an empty tag", raw(tags=["a", ""]), 422, ["/tags/1"]),
    ("a tag that is a number", raw(tags=[7]), 422, ["/tags/0"]),
    ("NUL", b'{"task": "noop", "payload": {"a": "\\u0000"}}', 422, ["/payload/a"]),
    ("NUL in a name", b'{"task": "noop", "payload": {"\\u0000": 1}}', 422, None),
    ("NUL in a tag", b'{"task": "noop", "tags": ["\\u0000"]}', 422, ["/tags/0"]),
    ("half a surrogate pair", b'{"task": "noop", "payload": {"a": "\\ud800"}}', 422, ["/payload/a"]),
    ("NaN", b'{"task": "noop", "payload": {"a": NaN}}', 422, ["/payload/a"]),
    ("Infinity", b'{"task": "noop", "timeout": Infinity}', 422, ["/timeout"]),
    (
        "a number beyond a double",
        b'{"task": "sleep", "payload": {"seconds": 1e999}}',
        422,
        ["/payload/seconds"],
    ),
    ("eighty levels", DEEP, 422, None),
    ("ten thousand levels", b"[" * 10_000, 422, None),
    ("levels without end in the payload", b'{"task":"noop","payload":' + b"[" * 30_000, 422, None),
    ("too large", raw(payload={"a": "x" * 70_000}), 413, []),
    ("two megabytes", b"x" * 2_000_000, 413, []),
]


@pytest.mark.parametrize(
    ("body", "status", "pointers"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
async def test_a_bad_submission_is_refused_as_a_problem_that_names_the_field(
    body: bytes, status: int, pointers: list[str] | None, api: Api
) -> None:
    answer = await api.post(body)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
    assert problem["status"] == status
    named = [error["pointer"] for error in problem.get("errors", [])]
    if pointers is not None:
        assert sorted(named) == pointers
    elif status == 422:
        assert named


async def test_an_unknown_task_is_answered_with_the_nearest_names(api: Api) -> None:
    problem = (await api.post(raw(task="image.serch"))).json()
    assert problem["type"] == "/problems/unknown-task"
    assert "image.search" in problem["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_encoding": "gzip"}, 415),
        ({"idempotency_key": ""}, 422),
        ({"idempotency_key": "k" * 300}, 422),
    ],
    ids=str,
)
async def test_bad_headers_are_refused_as_problems(headers: dict[str, str], status: int, api: Api) -> None:
    answer = await api.post(json.dumps(NOOP).encode(), **headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_odd_but_good_submissions_are_accepted_and_come_back_as_they_were(api: Api) -> None:
    odd = {"query": 'ünïcödé "quoted" \\ / \t $set $$NOW {"$gt": ""} </script> 🏔', "count": 1}
    job = await api.submit("image.search", odd, tags=["$tag", "a.b", "名"], delay=600)
    view = await api.view(job)
    assert view["payload"] == odd
    assert view["tags"] == ["$tag", "a.b", "名"]
    assert [v["id"] for v in await api.listed(tag="$tag")] == [job]
    await api.cancel(job)


async def test_the_api_is_none_the_worse_for_all_that(api: Api) -> None:
    job = await api.submit("noop")
    assert (await api.finish(job))["state"] == "succeeded"

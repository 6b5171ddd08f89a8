"""What may be asked of `http.request`: at the door by its schema, in the worker by its model."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from api.judge import Judge
from job_worker.tasks.http_request import RequestPayload, http_request

URL = "https://api.example.org/invoices"
JUDGE = Judge(json.loads(http_request.catalogue_entry()["payload_schema"]))

GOOD: list[dict[str, Any]] = [
    {"url": URL},
    {"url": "http://[2606:2800:220:1::1]:80/a?b=c%20d"},
    {"url": URL, "method": "POST", "json": {"a": None}},
    {"url": URL, "method": "POST", "json": None, "body": "x"},
    {"url": URL, "headers": {"X-Kind": "invoice", "authorization": {"secret": "billing_token"}, "X-None": ""}},
    {"url": URL, "headers": {"Tea": "x", "Hostess": "y", "X-Key": {"secret": "k"}}},
    {"url": URL, "expect": [200, "3xx", "500-503"], "timeout": 0.5, "redirects": 5},
]  # fmt: skip

BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "/url"),
    ({"url": 7}, "/url"),
    ({"url": "ftp://example.org/"}, "/url"),
    ({"url": "example.org"}, "/url"),
    ({"url": "https://user@example.org/"}, "/url"),
    ({"url": "https://example.org/#top"}, "/url"),
    ({"url": "https://example.org\\@127.0.0.1/"}, "/url"),
    ({"url": "https://exämple.org/"}, "/url"),
    ({"url": "https://example.org/a b"}, "/url"),
    ({"url": f"https://example.org/{'x' * 8_192}"}, "/url"),
    ({"url": URL, "method": "TRACE"}, "/method"),
    ({"url": URL, "method": "get"}, "/method"),
    ({"url": URL, "json": 1, "body": "x"}, "/body"),
    ({"url": URL, "body": 1}, "/body"),
    ({"url": URL, "headers": {"Host": "127.0.0.1"}}, "/headers"),
    ({"url": URL, "headers": {"tRansfer-encoding": "chunked"}}, "/headers"),
    ({"url": URL, "headers": {"X-Forwarded-For": "10.0.0.1"}}, "/headers"),
    ({"url": URL, "headers": {"Proxy-Authorization": {"secret": "k"}}}, "/headers"),
    ({"url": URL, "headers": {"X Y": "z"}}, "/headers"),
    ({"url": URL, "headers": {"X:": "z"}}, "/headers"),
    ({"url": URL, "headers": {"X\n": "z"}}, "/headers"),
    ({"url": URL, "headers": {"X": "a\r\nHost: b"}}, "/headers/X"),
    ({"url": URL, "headers": {"X": "ü"}}, "/headers/X"),
    ({"url": URL, "headers": {"X": 1}}, "/headers/X"),
    ({"url": URL, "headers": {"X": {"secret": "Upper"}}}, "/headers/X/secret"),
    ({"url": URL, "headers": {"X": {"secret": "k", "value": "v"}}}, "/headers/X/value"),
    ({"url": URL, "headers": {"X": {}}}, "/headers/X/secret"),
    ({"url": URL, "headers": {"Authorization": "Bearer s3cret"}}, "/headers/Authorization"),
    ({"url": URL, "headers": {"COOKIE": "a=b"}}, "/headers/COOKIE"),
    ({"url": URL, "headers": {"x-api-key": "s3cret"}}, "/headers/x-api-key"),
    ({"url": URL, "headers": {f"X-{n}": "" for n in range(51)}}, "/headers"),
    ({"url": URL, "expect": []}, "/expect"),
    ({"url": URL, "expect": ["200"]}, "/expect/0"),
    ({"url": URL, "expect": [99]}, "/expect/0"),
    ({"url": URL, "expect": ["6xx"]}, "/expect/0"),
    ({"url": URL, "timeout": 0}, "/timeout"),
    ({"url": URL, "redirects": 6}, "/redirects"),
    ({"url": URL, "follow": True}, "/follow"),
]  # fmt: skip


@pytest.mark.parametrize("payload", GOOD)
def test_what_is_good_passes_the_door_and_the_worker(payload: dict[str, Any]) -> None:
    assert JUDGE.errors(payload) == []
    RequestPayload.model_validate(payload)


@pytest.mark.parametrize(("payload", "where"), BAD)
def test_what_is_bad_is_refused_at_the_door_by_the_name_of_its_field_and_by_the_worker_too(
    payload: dict[str, Any], where: str
) -> None:
    assert where in [error.pointer for error in JUDGE.errors(payload)]
    with pytest.raises(ValidationError):
        RequestPayload.model_validate(payload)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "http://2130706433/"}, "an IPv4 address in an unusual form"),
        ({"headers": {"X-a": "1", "x-A": "2"}}, "a header stands twice"),
        ({"headers": {"Cookie": "a=b"}}, "the value of Cookie is given by name"),
        ({"headers": {"Host": "x"}}, "'Host' is no header that a job may set"),
        ({"json": 1, "body": "x"}, "json and body exclude each other"),
    ],
)
def test_the_worker_says_what_is_wrong_in_words(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RequestPayload.model_validate({"url": URL} | changes)


def test_every_field_of_the_form_is_described_and_those_without_a_default_have_an_example() -> None:
    fields = RequestPayload.model_json_schema()["properties"]
    assert all(field["description"] for field in fields.values())
    assert all("examples" in field for field in fields.values() if field.get("default") in (None, {}))

"""What a refusal may cost: few faults, short texts, and of each part of a document one question."""

import json
from typing import Any

import msgspec
import pytest
from jsonschema_rs import validator_for

from api import judge as judging
from api.door import looks_suspicious
from api.forms import Reader, Submission
from api.judge import MAX_MEMBERS, Judge
from api.linear import is_linear, without_backtracking
from api.problems import MAX_BYTES, MAX_ERRORS, MAX_TEXT, FieldError, Problem, invalid

HEADERS = {
    "type": "object",
    "properties": {
        "headers": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z-]+$", "maxLength": 60},
            "additionalProperties": {"type": "string"},
        }
    },
}
TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]},
        "A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/Node"}}, "required": ["a", "x"]},
        "B": {"type": "object", "properties": {"a": {"$ref": "#/$defs/Node"}}, "required": ["a", "y"]},
    },
}


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


MANY = {f"key {n}": "value" for n in range(2_500)}
HOSTILE: dict[str, tuple[Any, Any]] = {
    "names": (HEADERS, {"headers": {f"h {n:04}": "x" for n in range(3_500)}}),
    "long names": (HEADERS, {"headers": {f"{n} " + "\u0001" * 3_000: "x" for n in range(20)}}),
    "values": (HEADERS, {"headers": {f"h{'x' * n}": n for n in range(300)}}),
    "items": ({"items": {"type": "string"}}, [0] * 30_000),
    "one of many": ({"items": {"type": "integer"}}, [0] * 30_000 + ["x"]),
    "branches": ({"anyOf": [{"type": "string"}, {"minProperties": 9_999}] * 200}, MANY),
    "all of": ({"allOf": [{"minProperties": 9_999 + n} for n in range(300)]}, MANY),
    "required": ({"required": [f"r{n}" for n in range(2_000)]}, MANY),
    "unexpected": ({"additionalProperties": False}, MANY),
    "unique": ({"uniqueItems": True}, [{"a": n} for n in range(6_000)] + [{"a": 1}]),
    "contains": ({"contains": {"const": 1}}, [0] * 30_000),
    "long text": ({"properties": {"q": {"enum": ["a"]}}}, {"q": "\u0007é" * 30_000}),
    "branches of branches": (TREE, _nested(60)),
    "not": ({"not": {"type": "object"}}, MANY),
    "if": ({"if": {"type": "object"}, "then": {"required": ["z"]}}, MANY),
    "no schema": (False, MANY),
    "by pattern": ({"patternProperties": {"^k": {"type": "integer"}}, "additionalProperties": False}, MANY),
    "items at places": ({"prefixItems": [{"type": "string"}] * 3, "items": False}, [0] * 9_000),
    "of names": ({"dependentRequired": {"key 0": [f"d{n}" for n in range(1_000)]}}, MANY),
    "large number": ({"multipleOf": 3}, 10**300),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_refusal_names_few_faults_in_short_texts(name: str) -> None:
    schema, document = HOSTILE[name]
    errors = Judge(schema).errors(document, under=("payload",))
    assert 0 < len(errors) <= MAX_ERRORS
    assert len(invalid(errors).body("/jobs" + "x" * 60_000)) <= MAX_BYTES


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_is_judged_once_and_few_of_its_parts_beside(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Counted:
        def __init__(self, schema: Any, **options: Any) -> None:
            self._validator = validator_for(schema, **options)

        def is_valid(self, value: Any) -> bool:
            asked.append(value)
            return self._validator.is_valid(value)

        def iter_errors(self, value: Any) -> Any:
            assert not isinstance(value, dict | list), "each error would be a copy of it"
            return self._validator.iter_errors(value)

    monkeypatch.setattr(judging, "validator_for", Counted)
    schema, document = HOSTILE[name]
    assert Judge(schema).errors(document)
    assert len(asked) <= MAX_MEMBERS + 1_000


def test_each_of_some_faults_is_named_with_its_place() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a/b": {"$ref": "#/$defs/Pair"},
            "list": {"type": "array", "items": {"$ref": "#/$defs/Pair"}, "maxItems": 3},
            "n": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["n", "~"],
        "additionalProperties": False,
        "$defs": {"Pair": {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}}},
    }
    document = {"a/b": {"x": "1"}, "list": [{"x": 1}, {"x": 0}, 5], "n": "no", "other": 1}
    assert {error.pointer: error.detail for error in Judge(schema).errors(document)} == {
        "/~0": "is required",
        "/a~1b/x": '"1" is not of type "integer"',
        "/list/1/x": "0 is less than the minimum of 1",
        "/list/2": '5 is not of type "object"',
        "/n": "\"no\" is not valid under any of the schemas listed in the 'anyOf' keyword",
        "/other": "no such field",
    }
    assert Judge({"maxItems": 3, "minItems": 1}).errors([{}] * 4) == [
        FieldError("", "does not fit maxItems: 3")
    ]


def test_what_fits_has_no_faults_and_what_does_not_has_one_at_least() -> None:
    for schema, document in HOSTILE.values():
        assert Judge(schema).errors(document)
    assert Judge(HEADERS).errors({"headers": {"Accept": "x"}}) == []
    assert Judge({"$ref": "#there", "$defs": {"t": {"$anchor": "there", "minItems": 2}}}).errors([1])


BACKTRACKING = [r"^(a|a)*\1?b$", r"(a*)*\1b", r"(?<=a)b", r"^x(?=(a+)+$)", r"^(?!\w(?=a))b", "^(?!"]


@pytest.mark.parametrize("pattern", BACKTRACKING)
def test_a_pattern_that_looks_around_or_back_is_left_to_the_worker(pattern: str) -> None:
    assert not is_linear(pattern)
    judge = Judge({"properties": {"pattern": {"type": "string", "pattern": pattern}}})
    assert judge.fits({"pattern": "a" * 60_000 + "!"})
    assert not judge.fits({"pattern": 5})
    assert Judge({"patternProperties": {pattern: False}, "additionalProperties": False}).fits({"b": 1})
    assert Judge({"propertyNames": {"pattern": pattern}}).fits({"q": 1})


AHEAD = {
    "^(?!(?:host|x[)\\]]y)$)[a-z]+$": (["hosts", "a"], ["host", "A", ""]),
    r"^(?=.*[A-Z])(?=.*\d).{3,}$": (["aB3", "1Z "], ["ab3", "AB", "B3"]),
    r"^(?=(a+)+$).*$": (["aaa"], ["aab", "a" * 60_000 + "!"]),
}


@pytest.mark.parametrize("pattern", AHEAD)
def test_what_a_pattern_looks_ahead_for_at_its_beginning_counts(pattern: str) -> None:
    good, bad = AHEAD[pattern]
    judge = Judge({"pattern": pattern, "propertyNames": {"pattern": pattern}})
    assert all(judge.fits(text) and judge.fits({text: 1}) for text in good)
    assert not any(judge.fits(text) or judge.fits({text: 1}) for text in bad)
    assert judge.fits(5)
    assert all(judge.errors(text) and judge.errors({text: 1}) for text in bad)


def test_members_are_judged_by_the_patterns_of_their_names() -> None:
    schema = {
        "patternProperties": {"^x/": {"type": "integer"}, "y$": {"type": "integer", "minimum": 5}},
        "additionalProperties": {"type": "string"},
        "properties": {"x/1": {"maximum": 3}},
    }
    errors = Judge(schema).errors({"x/1": "a", "x/y": 1, "z": 2, "ok": "a", "x/2": 2})
    assert {error.pointer for error in errors} == {"/x~11", "/x~1y", "/z"}


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(x+x+)+y", r"^(\w+\s?)*$", "^(a|aa)+$", "(.*a){20}b"])
def test_a_pattern_that_is_matched_in_one_pass_counts(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    assert without_backtracking(schema) == schema
    assert not Judge(schema).fits("!" * 60_000)


def test_what_only_looks_like_a_pattern_is_left_alone() -> None:
    schema = {"const": {"pattern": "(?=a)"}, "default": {"pattern": "(?=a)"}}
    assert without_backtracking(schema) == schema


def test_a_problem_is_bounded_whatever_it_is_given() -> None:
    errors = [FieldError("/a" * 9_000, "\u0001" * 9_000)] * 9_000
    body = Problem(invalid([]).kind, "x" * 90_000, errors=errors).body("/" * 60_000)
    assert len(body) <= MAX_BYTES
    told = json.loads(body)
    assert 0 < len(told["errors"]) <= MAX_ERRORS
    assert all(len(error["pointer"]) <= MAX_TEXT for error in told["errors"])
    assert len(told["detail"]) <= MAX_TEXT


def test_a_large_body_that_does_not_fit_is_not_looked_into() -> None:
    reader = Reader(Submission)
    read = reader.read(msgspec.json.encode({"task": "noop", "tags": ["x" * 65] * 20_000}))
    assert read.form is None
    assert read.document is None
    assert [error.pointer for error in read.errors] == ["/tags/0"]


def test_only_a_document_that_is_deep_is_suspicious_for_its_brackets() -> None:
    assert not looks_suspicious(b"[" + b"[],{}," * 5_000 + b"1]")
    assert not looks_suspicious(b'["' + b"[" * 5_000 + b'"]')
    assert not looks_suspicious(rb'["\\u0000"]')
    assert looks_suspicious(rb'["\\\u0000"]')
    assert looks_suspicious(b"[" * 66 + b"]" * 66)
    assert looks_suspicious(b'["\\"",' + b"[" * 66 + b"]" * 66)

"""The page's types, made from the schemas of the API."""

from pathlib import Path
from typing import Any

import pytest

from api.openapi import shapes
from docs import api_types
from job_contracts.lifecycle import JobState


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(api_types, "TYPES", tmp_path / "openapi.ts")
    assert api_types.main([]) == 0
    return tmp_path / "openapi.ts"


def test_what_was_just_written_is_not_stale(file: Path) -> None:
    assert api_types.main(["--check"]) == 0


def test_a_stale_file_is_named_and_left_as_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("old")
    assert api_types.main(["--check"]) == 1
    assert "openapi.ts" in capsys.readouterr().err
    assert file.read_text() == "old"


def test_every_shape_and_every_field_of_it_is_declared(file: Path) -> None:
    text = file.read_text()
    for name, shape in shapes().items():
        head = f"export interface {name} {{" if "properties" in shape else f"export type {name} ="
        body = text.partition(head)[2].partition("\n}" if "properties" in shape else ";")[0]
        assert body, name
        assert [field for field in shape.get("properties", {}) if f"  {field}" not in body] == []


def test_states_are_words_and_what_may_be_left_out_says_so(file: Path) -> None:
    text = file.read_text()
    words = " | ".join(f'"{state}"' for state in JobState)
    assert f"export type JobState = {words};" in text
    assert "\n  result_url?: string;\n" in text
    assert "\n  kind: ErrorKind | null;\n" in text
    assert "\n  jobs: JobView[];\n" in text


def test_of_a_long_description_the_first_paragraph_is_told() -> None:
    shape = {"type": "string", "description": "One\n    line.\n\n    Attributes\n    ----------"}
    assert "\n/** One line. */\nexport type Word = string;\n" in api_types.types({"Word": shape})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "Json"),
        ({"type": "integer", "minimum": 1}, "number"),
        ({"type": "object"}, "Record<string, Json>"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"$ref": "#/components/schemas/JobView", "description": "x"}, "JobView"),
    ],
)
def test_a_schema_becomes_a_type(schema: dict[str, Any], said: str) -> None:
    assert api_types.type_of(schema) == said


@pytest.mark.parametrize(
    "schema", [{"oneOf": []}, {"type": ["string", "null"]}, {"type": "array", "prefixItems": []}]
)
def test_what_the_generator_does_not_know_is_an_error_and_not_a_wrong_type(schema: dict[str, Any]) -> None:
    with pytest.raises(api_types.UnknownSchemaError):
        api_types.type_of(schema)

"""The wire is a contract: its schemas stand in review, and what was ever sent can still be read."""

import json
from pathlib import Path

import pytest

from job_contracts.messages import encode
from tests.contract.wire import READERS, SAMPLES, SCHEMAS, TYPES, samples_of, schema, schema_file


@pytest.mark.parametrize("wire_type", TYPES)
def test_the_schema_is_the_one_in_review(wire_type: str) -> None:
    golden = json.loads(schema_file(wire_type).read_text())
    assert schema(TYPES[wire_type]) == golden, (
        f"{wire_type} has changed: only a new optional field may keep its type. "
        "If that is all, write the file anew with `python -m tests.contract.wire`."
    )


def test_no_schema_is_left_of_a_message_that_is_gone() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == set(TYPES)


@pytest.mark.parametrize("path", sorted(SAMPLES.iterdir()), ids=lambda path: path.stem)
def test_todays_code_reads_every_message_ever_sent(path: Path) -> None:
    """Samples are only ever added: each once stood on a topic."""
    sent = json.loads(path.read_text())

    read = READERS[sent["type"]](path.read_bytes())

    assert isinstance(read, TYPES[sent["type"]])
    written = json.loads(encode(read))
    assert sent.items() <= written.items()


@pytest.mark.parametrize("wire_type", TYPES)
def test_every_message_has_a_sample_named_after_it(wire_type: str) -> None:
    assert samples_of(wire_type)
    assert all(json.loads(path.read_text())["type"] == wire_type for path in samples_of(wire_type))


@pytest.mark.parametrize("wire_type", TYPES)
def test_a_message_with_a_later_field_is_still_read(wire_type: str) -> None:
    sent = json.loads(samples_of(wire_type)[0].read_text())
    read = READERS[wire_type](json.dumps(sent | {"added_later": [1]}).encode())
    assert isinstance(read, TYPES[wire_type])


@pytest.mark.parametrize("wire_type", TYPES)
def test_every_field_is_described(wire_type: str) -> None:
    for definition in schema(TYPES[wire_type])["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            text = json.dumps(field)
            assert name == "type" or "description" in text or "$ref" in text, name

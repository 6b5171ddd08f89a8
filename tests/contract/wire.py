"""The files of the contract: a schema for each message, and samples as they once stood on a topic.

`python -m tests.contract.wire` writes the schemas anew; review what changed in them.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from job_contracts.messages import (
    PUBLISHED,
    Message,
    read_dead_letter,
    read_event,
    read_requested,
    read_succeeded,
)
from job_contracts.topics import Topic

SAMPLES: Final = Path(__file__).parent / "samples"
SCHEMAS: Final = Path(__file__).parent / "schemas"

TYPES: Final[Mapping[str, Any]] = {
    str(message.__struct_config__.tag): message for messages in PUBLISHED.values() for message in messages
}
"""Every message class by the type it has on the wire."""

_BY_TOPIC: Final[Mapping[Topic, Callable[[bytes | None], Message]]] = {
    Topic.JOBS: read_requested,
    Topic.RESULTS: read_succeeded,
    Topic.DEAD_LETTER: read_dead_letter,
    Topic.JOB_EVENTS: read_event,
}

READERS: Final = {
    str(message.__struct_config__.tag): reader
    for topic, reader in _BY_TOPIC.items()
    for message in PUBLISHED[topic]
}
"""How each type is read where it stands."""


def schema(message: Any) -> dict[str, Any]:
    """The JSON Schema of a message on the wire, as JSON has it: a default that is a tuple is an array there."""
    read: dict[str, Any] = json.loads(json.dumps(msgspec.json.schema(message)))
    return read


def schema_file(wire_type: str) -> Path:
    return SCHEMAS / f"{wire_type}.json"


def samples_of(wire_type: str) -> list[Path]:
    """Samples are named `<type>.<what is special>.json`."""
    return sorted(SAMPLES.glob(f"{wire_type}.*.json"))


if __name__ == "__main__":
    for wire_type, message in TYPES.items():
        schema_file(wire_type).write_text(json.dumps(schema(message), indent=2) + "\n")

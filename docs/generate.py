"""`make docs`: write docs/lifecycle.md and docs/messages.md from the code; `--check` only says what is stale."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from job_contracts.lifecycle import FINAL, MOVES, ErrorKind, JobState, Role, WaitReason
from job_contracts.messages import PUBLISHED
from job_contracts.topics import OUTCOME_GROUPS, TOPICS, Group, Topic, TopicSpec

DOCS: Final = Path(__file__).parent
SAMPLES: Final = DOCS.parent / "tests" / "contract" / "samples"
NOTICE: Final = (
    "<!-- Generated from the code by `make docs`; `make check` compares. Edit the code instead. -->"
)

READ_BY: Final[Mapping[Topic, Group]] = {Topic.JOBS: Group.JOB_WORKER, **OUTCOME_GROUPS}
"""Who reads each topic as a group."""


def lifecycle() -> Iterator[str]:
    """The lines of docs/lifecycle.md."""
    yield from ("# The life of a job", "", NOTICE, "")
    yield from _filled(
        "A job is one document in MongoDB, and a change of its state is one compare-and-set: the filter names the "
        "version n and the states the move may leave, the update sets version n + 1. A message that comes late or "
        "twice, or that nobody should have sent, matches nothing. What is not in the table of moves cannot happen; "
        "tests hold every update to it."
    )
    yield from ("", "```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> pending: submitted")
    yield "    [*] --> waiting: submitted for later"
    for move in MOVES.values():
        yield from (
            f"    {source} --> {move.target}: {move.name}" for source in _ordered(move.sources, JobState)
        )
    yield from (f"    {state} --> [*]" for state in _ordered(FINAL, JobState))
    yield from ("```", "", "## States", "")
    yield from _table(
        ("state", "meaning", "final"),
        [(f"`{s}`", text, "yes" if s in FINAL else "") for s, text in _members(JobState)],
    )
    yield from ("", "Final states never change again, except `failed` when somebody redrives the job.", "")
    yield from ("## Why a job waits", "", "The `reason` of a job in `waiting`.", "")
    yield from _table(("reason", "meaning"), [(f"`{r}`", text) for r, text in _members(WaitReason)])
    yield from ("", "## Why a job failed", "", "The `kind` of the `error` of a job in `failed`.", "")
    yield from _table(("kind", "meaning"), [(f"`{k}`", text) for k, text in _members(ErrorKind)])
    yield from ("", "## Moves", "")
    rows = [
        (
            f"`{move.name}`",
            ", ".join(f"`{s}`" for s in _ordered(move.sources, JobState)),
            f"`{move.target}`",
            ", ".join(_ordered(move.roles, Role)),
            move.why,
        )
        for move in MOVES.values()
    ]
    yield from _table(("move", "from", "to", "made by", "why"), rows)
    yield from ("", "The dispatcher is the one job-worker at a time that holds its lease.")


def messages() -> Iterator[str]:
    """The lines of docs/messages.md."""
    yield from ("# What the services say to each other", "", NOTICE, "")
    yield from _filled(
        "Messages are JSON, one to a Kafka record, keyed by the id of the job (what was rejected has no key). "
        "`type` holds the version of the message: within a version only optional fields are added, and readers "
        "ignore what they do not know. The schemas are in `tests/contract/schemas`, and every sample in "
        "`tests/contract/samples` must stay readable."
    )
    yield from ("", "## Topics", "")
    yield from _table(
        ("topic", "messages", "read by", "partitions", "kept for", "largest"),
        [_topic_row(spec) for spec in TOPICS],
    )
    yield ""
    yield from _filled(
        "Nothing creates topics but the set-up step (`python -m jobstream_setup`). Bytes that make no sense to "
        "the reader of `jobs` or `results` go to `dead-letter` as they are, inside a `message.rejected.v1`; what "
        "makes no sense on `dead-letter` itself is kept where it is read. A message that is well formed but for an "
        "unknown job, or for a version that has passed, changes nothing and is counted "
        "(`messages_dropped_total`)."
    )
    yield from ("", "## Headers", "")
    yield from _filled(
        "So that a reader can skip a message without decoding it, Kafka headers repeat `type`, `owner`, `version` "
        "and, where they apply, `task`, `state` and `traceparent`. The body counts: a header that cannot be "
        "decoded is ignored."
    )
    shapes: dict[str, Any] = {}
    for topic, published in PUBLISHED.items():
        for message in published:
            yield from _message(topic, message, shapes)
    yield from ("", "## Shapes inside messages")
    for name, shape in sorted(shapes.items()):
        yield from ("", f"### {name}", "", shape["description"], "")
        yield from _fields(shape)


def _topic_row(spec: TopicSpec) -> Sequence[str]:
    topic = Topic(spec.name)
    kept = timedelta(milliseconds=int(spec.configs["retention.ms"]))
    hours = kept // timedelta(hours=1)
    largest = int(spec.configs.get("max.message.bytes", 1024 * 1024)) // 1024
    return (
        f"`{topic}`",
        ", ".join(f"`{_tag(message)}`" for message in PUBLISHED[topic]),
        f"group `{READ_BY[topic]}`" if topic in READ_BY else "every api replica, all of it",
        str(spec.partitions),
        f"{kept.days} days" if kept.days else f"{hours} hour{'s' * (hours > 1)}",
        f"{largest // 1024} MiB",
    )


def _message(topic: Topic, message: Any, shapes: dict[str, Any]) -> Iterator[str]:
    definitions = msgspec.json.schema(message)["$defs"]
    own = definitions.pop(message.__name__)
    shapes |= {name: shape for name, shape in definitions.items() if "properties" in shape}
    tag = _tag(message)
    yield from ("", f"## {tag}", "", f"{own['description']} On `{topic}`.", "")
    yield from _fields(own)
    sample = min(SAMPLES.glob(f"{tag}.*.json"))
    yield from ("", "```json", sample.read_text().strip(), "```")


def _fields(shape: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            f"`{name}`",
            _kind(field),
            "" if name in shape["required"] else "optional",
            _described(field),
        )
        for name, field in shape["properties"].items()
        if name != "type" or "enum" not in field
    ]
    yield from _table(("field", "type", "", "meaning"), rows)


def _kind(field: Mapping[str, Any]) -> str:
    """What may stand in a field, in words."""
    for several in ("anyOf", "allOf"):
        if several in field:
            return " or ".join(_kind(option) for option in field[several])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return (
            "one of [these](lifecycle.md#why-a-job-failed)"
            if name == ErrorKind.__name__
            else f"[{name}](#{name.lower()})"
        )
    kind: str = field.get("format") or field.get("contentEncoding") or field.get("type") or "any JSON"
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    if low is not None:
        return f"{kind}, from {low}"
    if "exclusiveMinimum" in field:
        return f"{kind}, over {field['exclusiveMinimum']}"
    return kind


def _described(field: Mapping[str, Any]) -> str:
    options = [option.get("description", "") for option in field.get("anyOf", [])]
    return field.get("description") or next(filter(None, options), "")


def _tag(message: Any) -> str:
    return str(message.__struct_config__.tag)


def _members(enum: type[StrEnum]) -> list[tuple[StrEnum, str]]:
    """Each member with the string that stands below it, which Python itself throws away."""
    module = ast.parse(textwrap.dedent(inspect.getsource(enum)))
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef))
    texts = {
        ast.unparse(before.targets[0]): " ".join(str(ast.literal_eval(here.value)).split())
        for before, here in pairwise(body)
        if isinstance(before, ast.Assign) and isinstance(here, ast.Expr)
    }
    return [(member, texts[member.name]) for member in enum]


def _ordered(some: Iterable[StrEnum], enum: type[StrEnum]) -> list[StrEnum]:
    return [member for member in enum if member in set(some)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, width=110)


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` compare them; return the exit code."""
    stale = []
    for name, lines in (("lifecycle.md", lifecycle()), ("messages.md", messages())):
        path, text = DOCS / name, "\n".join(lines) + "\n"
        if "--check" not in arguments:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(f"docs/{name}")
    if stale:
        print(f"{' and '.join(stale)} no longer say what the code does: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The docs that are made from the code."""

from pathlib import Path

import pytest

from docs import generate
from job_contracts.lifecycle import MOVES, ErrorKind, JobState, WaitReason
from job_contracts.messages import PUBLISHED


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main([]) == 0
    return tmp_path


def test_what_was_just_written_is_not_stale(docs: Path) -> None:
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("name", ["lifecycle.md", "messages.md"])
def test_a_stale_file_is_named_and_left_as_it_is(
    docs: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (docs / name).write_text("old")
    assert generate.main(["--check"]) == 1
    assert f"docs/{name}" in capsys.readouterr().err
    assert (docs / name).read_text() == "old"


def test_a_missing_file_is_stale(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docs / "lifecycle.md").unlink()
    assert generate.main(["--check"]) == 1
    assert "docs/lifecycle.md" in capsys.readouterr().err


def test_every_legal_change_is_drawn_and_no_other(docs: Path) -> None:
    lines = (docs / "lifecycle.md").read_text().splitlines()
    drawn = {line.strip() for line in lines if " --> " in line and "[*]" not in line}
    assert drawn == {f"{source} --> {m.target}: {m.name}" for m in MOVES.values() for source in m.sources}


@pytest.mark.parametrize("enum", [JobState, WaitReason, ErrorKind])
def test_every_member_is_explained(docs: Path, enum: type[JobState]) -> None:
    text = (docs / "lifecycle.md").read_text()
    for member, meaning in generate._members(enum):
        assert meaning.endswith(".")
        assert f"| `{member}` | {meaning} |" in text


def test_every_message_stands_there_with_its_fields_and_a_sample(docs: Path) -> None:
    sections = (docs / "messages.md").read_text().split("\n## ")
    for message in [m for messages in PUBLISHED.values() for m in messages]:
        tag = str(message.__struct_config__.tag)
        (section,) = [text for text in sections if text.startswith(f"{tag}\n")]
        assert all(f"| `{field}` |" in section for field in message.__struct_fields__)
        assert f'"type": "{tag}"' in section

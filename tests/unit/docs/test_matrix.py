"""Every fault of the matrix is played by a test, or it is written why not; and the report says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.matrix import FAULTS
from tests.faults.report import Proof, section, table

_ROOT = Path(__file__).resolve().parents[3]


def result(row: str, promise: str, test: str, **figures: object) -> dict[str, object]:
    rows = [{"row": row, "promise": promise}]
    return {"test": test, "rows": rows, "passed": True, "at": "2026-01-02", "figures": figures}


@pytest.fixture(scope="module")
def proofs() -> list[Proof]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.report", "--rows"],
        cwd=_ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Proof(*row) for row in json.loads(done.stdout)]


def test_the_matrix_is_whole() -> None:
    numbers = [int(fault.removeprefix("F")) for fault in FAULTS]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= set(range(1, 45))


def test_every_row_says_what_is_promised(proofs: list[Proof]) -> None:
    assert [proof.test for proof in proofs if not proof.promise] == []


def test_the_table_has_every_row_its_slowest_recovery_and_all_that_came_twice() -> None:
    there = [
        Proof("F9", "POST goes on", "test_a", telling=True),
        Proof("F9", "all finish", "test_b", telling=False),
    ]
    counted = {"recovery_s": 2.04, "duplicates": 1, "extra attempts": 0}
    lines = [
        *table(
            there,
            [
                result("F9", "POST goes on", "test_a", **counted),
                result("F9", "POST goes on", "test_a", **{**counted, "recovery_s": 7, "extra attempts": 2}),
                result("F9", "all finish", "test_b", duplicates=0, **{"extra attempts": 0}),
            ],
        )
    ]
    f9 = [line for line in lines if line.startswith("| F9 |")]
    assert f9[0].endswith("| POST goes on | `test_a` | 7.0 s | 2 messages, 2 attempts |")
    assert f9[1].endswith("| all finish | `test_b` |  | none |")
    assert f9[1].startswith("| F9 |  | all finish"), "the fault is named once"
    assert any(line.startswith("| F41 |") and "not played" in line for line in lines)


def test_a_run_with_a_broken_row_is_not_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.report.proofs", lambda: [Proof("F1", "p", "test_a", telling=True)])
    file = tmp_path / "faults-7.json"
    good, bad = result("F1", "p", "test_a"), {**result("F1", "p", "test_a"), "passed": False}
    file.write_text(json.dumps({"a": good}))
    assert "2026-01-02 in the form `faults` with seed 7" in section([file])
    file.write_text(json.dumps({"a": good, "b": bad}))
    with pytest.raises(SystemExit, match="test_a"):
        section([file])


def test_the_seeds_of_a_soak_make_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Proof("F1", "none is lost", "test_a", telling=True), Proof("F2", "q", "test_b", telling=True)]
    monkeypatch.setattr("tests.faults.report.proofs", lambda: there)
    files = [tmp_path / f"soak-{seed}.json" for seed in (1, 2)]
    for seconds, file in enumerate(files, 1):
        counted = {"accepted": 2_000, "recovery_s": seconds, "duplicates": 1, "extra attempts": 0}
        file.write_text(json.dumps({"a": result("F1", "none is lost", "test_a", **counted)}))
    lines = section(files).splitlines()
    assert "in the form `soak` with seeds 1, 2," in lines[0]
    assert lines[5:] == ["| F1 | none is lost | 2 | 4,000 | 2.0 s | 2 messages |"]

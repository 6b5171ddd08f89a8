"""The mutants of the fault rows: each changes what is there, and is noticed only by an assertion."""

import ast
from pathlib import Path

import pytest

from tests.faults.mutants import MUTANTS, ROOT, Mutant, apply, noticed, path_of

_REPORT = '<testsuites><testsuite><testcase name="row">{}</testcase></testsuite></testsuites>'


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.what)
def test_a_mutant_changes_one_place_and_leaves_source_that_parses(mutant: Mutant, tmp_path: Path) -> None:
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / mutant.file).read_text())
    apply(mutant, tmp_path)
    assert copy.read_text() != (ROOT / mutant.file).read_text()
    ast.parse(copy.read_text())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.what)
def test_the_rows_of_a_mutant_exist(mutant: Mutant) -> None:
    for row in mutant.rows:
        file, _, test = path_of(row).partition("::")
        assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text()


@pytest.mark.parametrize(
    ("ending", "row"),
    [
        ('<failure message="AssertionError: 3 broken promises:&#10;  job lost">…</failure>', "row"),
        ('<failure message="assert (2, 1) == (4, 1)">…</failure>', "row"),
        ('<failure message="jobstream_local.part.NotReadyError: api-1 ended">…</failure>', ""),
        ('<error message="AssertionError: in a fixture">…</error>', ""),
        ("", ""),
    ],
)
def test_only_an_assertion_of_the_row_itself_counts(ending: str, row: str, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(_REPORT.format(ending))
    assert noticed(report)[0] == row

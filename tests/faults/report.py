"""`python -m tests.faults.report`: write what the last run of the matrix gave into docs/delivery.md.

Of the soak form, which has few of the rows, all seeds that were played make one table. `--rows`
only prints, as JSON, which tests stand for which row.
"""

import contextlib
import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.matrix import FAULTS, NOT_PLAYED
from tests.support.rows import FOLDER, Result, marks

ROOT: Final = Path(__file__).resolve().parents[2]
DELIVERY: Final = ROOT / "docs" / "delivery.md"
SOAK: Final = "soak"


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that stands for a row."""

    row: str
    promise: str
    test: str
    telling: bool = field(compare=False)


@dataclass(slots=True)
class _Collector:
    """A plugin that sees what pytest finds."""

    proofs: list[Proof] = field(default_factory=list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            test = item.nodeid.rpartition("::")[2].partition("[")[0]
            self.proofs += [Proof(row, promise, test, telling) for row, promise, telling in marks(item)]


def proofs() -> list[Proof]:
    """Every test with the marker `row`, once for each row and promise, in the order of the rows.

    Raises
    ------
    RuntimeError
        The tests could not be collected.
    """
    collector, said = _Collector(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(
            [
                "--collect-only",
                "-q",
                "-p",
                "no:cacheprovider",
                "--form=short",
                f"--rootdir={ROOT}",
                str(ROOT / "tests"),
            ],
            plugins=[collector],
        )
    if code:
        raise RuntimeError(said.getvalue())
    telling_first = sorted(collector.proofs, key=lambda proof: not proof.telling)
    return sorted(dict.fromkeys(telling_first), key=lambda proof: (number(proof.row), proof.test))


def number(row: str) -> int:
    """The number of a row: 9 for F9."""
    return int(row.removeprefix("F"))


def table(all_proofs: Iterable[Proof], results: Iterable[Result]) -> Iterator[str]:
    """Lines of the table: each row of the matrix with its proofs, what they measured, or why there is none."""
    by_row, measured = _by_row(all_proofs), _measured(results)
    yield "| row | what breaks | what is promised | proved by | recovery | twice |"
    yield "|---|---|---|---|---|---|"
    for row, fault in FAULTS.items():
        if row in NOT_PLAYED:
            yield f"| {row} | {fault} | not played: {NOT_PLAYED[row]} | | | |"
        elif not by_row[row]:
            yield f"| {row} | {fault} | no test yet | | | |"
        for place, proof in enumerate(by_row[row]):
            taken = measured[row, proof.promise, proof.test]
            figures = (_recovery(taken), _twice(taken)) if taken else ("not in this run", "")
            yield _line(row, "" if place else fault, proof.promise, f"`{proof.test}`", *figures)


def soak_table(all_proofs: Iterable[Proof], results: Iterable[Result]) -> Iterator[str]:
    """Lines of the table of those rows that have a length: how often each was played, and what it measured."""
    by_row, measured = _by_row(all_proofs), _measured(results)
    yield "| row | what is promised | played | accepted | recovery | twice |"
    yield "|---|---|---:|---:|---|---|"
    for row in FAULTS:
        for proof in by_row[row]:
            if taken := measured[row, proof.promise, proof.test]:
                accepted = sum(f.get("accepted", 0) for f in taken)
                jobs = f"{accepted:,}" if accepted else ""
                yield _line(row, proof.promise, str(len(taken)), jobs, _recovery(taken), _twice(taken))


def _by_row(all_proofs: Iterable[Proof]) -> Mapping[str, list[Proof]]:
    by_row: dict[str, list[Proof]] = defaultdict(list)
    for proof in all_proofs:
        by_row[proof.row].append(proof)
    return by_row


def _measured(results: Iterable[Result]) -> Mapping[tuple[str, str, str], list[Mapping[str, Any]]]:
    """Figures by row, promise and test; a test may have several variants, and several seeds."""
    measured: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for result in results:
        for row in result["rows"]:
            measured[row["row"], row["promise"], result["test"]].append(result["figures"])
    return measured


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _recovery(taken: Sequence[Mapping[str, Any]]) -> str:
    """The slowest recovery of all variants of a test."""
    seconds = [f[name] for f in taken for name in ("recovery_s", "recovery s") if name in f]
    return f"{max(seconds):.1f} s" if seconds else ""


def _twice(taken: Sequence[Mapping[str, Any]]) -> str:
    """Messages that came, and attempts that were made, beyond the first."""
    counted = [f for f in taken if "duplicates" in f]
    if not counted:
        return ""
    messages, attempts = (sum(f[name] for f in counted) for name in ("duplicates", "extra attempts"))
    said = [f"{messages} messages"] * bool(messages) + [f"{attempts} attempts"] * bool(attempts)
    return ", ".join(said) or "none"


def section(files: Sequence[Path]) -> str:
    """What stands between the markers; the files are of one form.

    Raises
    ------
    SystemExit
        A row of the run has failed: there is nothing to be proud of.
    """
    there = proofs()
    here = {proof.test for proof in there}
    played = [result for file in files for result in json.loads(file.read_text()).values()]
    results = [result for result in played if result["test"] in here]
    if broken := sorted({result["test"] for result in results if not result["passed"]}):
        sys.exit(f"not written, for these rows have failed: {', '.join(broken)}")
    days = sorted({result["at"] for result in results})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    seeds = [file.stem.partition("-")[2] for file in files]
    which = f"`{form_of(files[0])}` with seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
    return "\n".join(
        [
            f"Measured {when} in the form {which}, on two shared cores. Recovery is the time from",
            "the end of the fault to the end of the last job; twice is what came or ran more than once, to no harm.",
            "",
            *(soak_table if form_of(files[0]) == SOAK else table)(there, results),
            "",
        ]
    )


def form_of(file: Path) -> str:
    """The form that the results in this file are of."""
    return file.stem.partition("-")[0]


def newest() -> list[Path]:
    """The results that were written last, with those of the other seeds if they are of a soak.

    Raises
    ------
    SystemExit
        There are none.
    """
    files = sorted(FOLDER.glob("*.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        sys.exit("nothing was measured yet: run `make faults`")
    return sorted(FOLDER.glob(f"{SOAK}-*.json")) if form_of(files[-1]) == SOAK else files[-1:]


def main(arguments: Sequence[str]) -> None:
    """Write the table, from the given results or from the newest."""
    if "--rows" in arguments:
        print(json.dumps([[p.row, p.promise, p.test, p.telling] for p in proofs()]))
        return
    files = [Path(name) for name in arguments] or newest()
    text = section(files)
    marked = SOAK if form_of(files[0]) == SOAK else "faults"
    begin, end = f"<!-- {marked}: begin -->\n", f"<!-- {marked}: end -->\n"
    before, found, rest = DELIVERY.read_text().partition(begin)
    if not found:
        sys.exit(f"{DELIVERY.name} has no place for the table: {begin.strip()}")
    DELIVERY.write_text(before + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    main(sys.argv[1:])

"""What the rows of the fault matrix gave in a run: kept in `.local/faults/<form>-<seed>.json`, for the report."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.figures import TAKEN

FOLDER: Final = Path(__file__).resolve().parents[2] / ".local" / "faults"

Result = dict[str, Any]

_RESULTS: Final = pytest.StashKey[dict[str, Result]]()


def marks(item: pytest.Item) -> Iterator[tuple[str, str, bool]]:
    """Each row that a test stands for, its promise, and whether `make test` runs it."""
    for mark in item.iter_markers("row"):
        yield mark.args[0], mark.kwargs.get("promise", ""), bool(mark.kwargs.get("telling"))


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Take down how a row went."""
    rows = [{"row": row, "promise": promise} for row, promise, _ in marks(item)]
    if not rows or report.skipped:
        return
    results = item.config.stash.setdefault(_RESULTS, {})
    result = results.setdefault(
        item.nodeid,
        {"test": item.nodeid.rpartition("::")[2].partition("[")[0], "rows": rows, "seconds": 0.0},
    )
    result["seconds"] = round(result["seconds"] + report.duration, 1)
    result["passed"] = result.get("passed", True) and report.passed
    result["at"] = datetime.now(UTC).date().isoformat()
    result["figures"] = item.stash.get(TAKEN, {})


def write(config: pytest.Config) -> None:
    """Add what this run gave to what earlier ones with the same form and seed gave."""
    results, form = config.stash.get(_RESULTS, {}), config.getoption("--form")
    if not results or form is None:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{form}-{config.getoption('--seed')}.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**before, **results}, indent=1, default=str))

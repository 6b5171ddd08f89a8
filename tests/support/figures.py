"""Figures that tests measure: shown at the end of the run, whether or not the test passed."""

import pytest

LINES = pytest.StashKey[list[str]]()
TAKEN = pytest.StashKey[dict[str, object]]()
"""What one test has taken down."""


class Figures:
    """Takes down what a test has counted or measured."""

    def __init__(self, lines: list[str], test: str, taken: dict[str, object]) -> None:
        self._lines, self._test, self._taken = lines, test, taken

    def __call__(self, **figures: object) -> None:
        self._taken |= figures
        shown = ", ".join(
            f"{name.replace('_', ' ')} {value:.3g}"
            if isinstance(value, float)
            else f"{name.replace('_', ' ')} {value}"
            for name, value in figures.items()
        )
        self._lines.append(f"{self._test}: {shown}")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Call it with names and numbers: `figures(accepted=1000, recovery_s=12.3)`."""
    lines = request.config.stash.setdefault(LINES, [])
    return Figures(lines, request.node.name, request.node.stash.setdefault(TAKEN, {}))


def show(config: pytest.Config, write: pytest.TerminalReporter) -> None:
    """Write the figures of the whole run."""
    if lines := config.stash.get(LINES, []):
        write.section("figures")
        for line in lines:
            write.write_line(line)

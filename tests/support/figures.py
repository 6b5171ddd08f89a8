"""Figures that tests measure: shown at the end of the run, whether or not the test passed."""

import pytest

LINES = pytest.StashKey[list[str]]()


class Figures:
    """Takes down what a test has counted or measured."""

    def __init__(self, lines: list[str], test: str) -> None:
        self._lines, self._test = lines, test

    def __call__(self, **figures: object) -> None:
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
    return Figures(request.config.stash.setdefault(LINES, []), request.node.name)


def show(config: pytest.Config, write: pytest.TerminalReporter) -> None:
    """Write the figures of the whole run."""
    if lines := config.stash.get(LINES, []):
        write.section("figures")
        for line in lines:
            write.write_line(line)

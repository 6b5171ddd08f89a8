"""What the figures should be, each next to what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.load.report import Figures

SINGLE: Final = "single POSTs"
BATCHES: Final = "batches"
RATE: Final = "at a rate"
FLOOR: Final = "floor,"

CPU_SINGLE: Final = 450, 600
CPU_BATCHES: Final = 170, 250
"""µs a job, goal and first step."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A measure, what it shall be, what it must be first (None: nothing), and what it is.

    >>> print(table([Goal("CPU a job", 450, 600, 512.0)]))
    | measure | goal | first step | measured |
    | --- | ---: | ---: | ---: |
    | CPU a job | ≤ 450 | ≤ 600, met | 512 |
    """

    measure: str
    goal: float
    first: float | None
    measured: float
    at_least: bool = False

    def is_met(self, wanted: float) -> bool:
        """Whether what was measured is as good as wanted."""
        return self.measured >= wanted if self.at_least else self.measured <= wanted

    def row(self) -> str:
        """Return the goal as a line of a table."""
        measured = f"{self.measured:,.0f}" if self.measured >= 100 else f"{self.measured:.2f}"
        cells = [self.measure, *(self._wanted(w) for w in (self.goal, self.first)), measured]
        return f"| {' | '.join(cells)} |"

    def _wanted(self, wanted: float | None) -> str:
        if wanted is None:
            return "-"
        return f"{'≥' if self.at_least else '≤'} {wanted:,g}{', met' if self.is_met(wanted) else ''}"


def table(goals: Sequence[Goal]) -> str:
    """Return goals as a Markdown table."""
    head = "| measure | goal | first step | measured |\n| --- | ---: | ---: | ---: |"
    return "\n".join([head, *(goal.row() for goal in goals)])


def judged(rows: Sequence[Figures], floors: Sequence[Figures]) -> list[Goal]:
    """Return the goals that one run can judge: CPU a job, and latency against the floor of the same minutes."""
    single, batches, rate = (_of(rows, load) for load in (SINGLE, BATCHES, RATE))
    floor = _of(floors, f"{FLOOR} {RATE}")
    goals = [Goal("CPU µs/job, single POSTs", *CPU_SINGLE, _cpu(single))]
    if batches:
        goals.append(Goal("CPU µs/job, batches", *CPU_BATCHES, _cpu(batches)))
    p50 = median(row.latency_ms[0] for row in floor)
    return [
        *goals,
        Goal("p50 at a rate / p50 of the floor", 1.2, 2, median(r.latency_ms[0] for r in rate) / p50),
        Goal("p99 at a rate / p50 of the floor", 3, 6, median(r.latency_ms[1] for r in rate) / p50),
    ]


def _of(rows: Sequence[Figures], load: str) -> list[Figures]:
    return [row for row in rows if row.load.startswith(load)]


def _cpu(rows: Sequence[Figures]) -> float:
    return median(sum(row.cpu_us.values()) for row in rows)

"""Figures as a table for people and a line of JSON for programs."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from tests.load.driving import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one load came to."""

    load: str
    jobs: int
    ended: int
    refused: Mapping[int, int]
    per_second: float
    accepted_per_second: float
    latency_ms: tuple[float, float]
    """Median and 99th percentile, from POST to the final event."""
    answer_ms: tuple[float, float]
    """The same for the answer to the POST."""
    cpu_us: Mapping[str, int]
    """Microseconds of CPU a job, by process."""
    driver_cpu_us: int

    @classmethod
    def of(cls, load: str, tally: Tally, cpu_us: Mapping[str, int], driver_cpu_us: int) -> "Figures":
        """Sum up a tally."""
        return cls(
            load=load,
            jobs=tally.wanted,
            ended=len(tally.latencies),
            refused=tally.refused,
            per_second=round(tally.per_second, 1),
            accepted_per_second=round(tally.accepted / max(tally.accepted_until - tally.started, 1e-9), 1),
            latency_ms=(percentile(tally.latencies, 0.5), percentile(tally.latencies, 0.99)),
            answer_ms=(percentile(tally.answers, 0.5), percentile(tally.answers, 0.99)),
            cpu_us=cpu_us,
            driver_cpu_us=driver_cpu_us,
        )


def say(text: str) -> None:
    """Tell a person how far it is: the figures alone go to standard output."""
    print(f"· {text}", file=sys.stderr, flush=True)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value in milliseconds under which that part of the values lies.

    >>> percentile([0.001, 0.002, 0.003], 0.5)
    2.0
    >>> percentile([], 0.5)
    0.0
    """
    if not values:
        return 0.0
    return round(sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000, 2)


def table(rows: Sequence[Figures]) -> str:
    """Return the figures as one Markdown table: the median of the rounds; latencies as p50 / p99."""
    processes = list(rows[0].cpu_us)
    lines = [["load", "jobs/s", "POST → final event, ms", "POST → 202, ms", "CPU µs/job", *processes]]
    for load in dict.fromkeys(row.load for row in rows):
        rounds = [row for row in rows if row.load == load]
        cells = [
            f"{median(row.per_second for row in rounds):,.0f}",
            _pair([row.latency_ms for row in rounds]),
            _pair([row.answer_ms for row in rounds]),
            f"{median(sum(row.cpu_us.values()) for row in rounds):,.0f}",
        ]
        lines.append([load, *cells, *(f"{median(r.cpu_us[p] for r in rounds):,.0f}" for p in processes)])
    marks = ["---"] + ["---:"] * (len(lines[0]) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], marks, *lines[1:]))


def _pair(rounds: Sequence[tuple[float, float]]) -> str:
    return f"{median(p50 for p50, _ in rounds):.1f} / {median(p99 for _, p99 in rounds):.1f}"


def line(rows: Sequence[Figures], load_average: tuple[float, float, float]) -> str:
    """Return everything as one line of JSON."""
    fields = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load_average_before": load_average,
        "runs": [{name: getattr(row, name) for name in row.__slots__} for row in rows],
    }
    return json.dumps(fields)

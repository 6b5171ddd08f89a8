"""`make bench-replicas`: jobs a second against replicas of the job-worker, through the gateway of a stack of its own.

Two loads for each number of replicas: tasks that wait for others, and tasks that do nothing. With `--write` the table
goes into docs/operations.md.
"""

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime

from tests.compose.containers import ROOT, Containers
from tests.load.driving import Driver

_SLOTS = 10
_WAITING = b'{"task":"sleep","payload":{"seconds":0.5}}'
_NOTHING = b'{"task":"noop","payload":{}}'
_BEGIN, _END = "<!-- replicas: begin -->\n", "<!-- replicas: end -->\n"


async def _measure(stack: Containers, replicas: int, jobs: int) -> str:
    await stack.scale(job_worker=replicas)
    cells = [str(replicas)]
    # Waiting tasks: as many as the slots can do in about half a minute.
    for body, count in ((_WAITING, 30 * replicas * _SLOTS), (_NOTHING, jobs)):
        driver = Driver(stack.url, body)
        async with driver.listening():
            tally = await driver.closed_loop(count, 32, within=300)
        assert len(tally.latencies) == count, f"{len(tally.latencies)} of {count} jobs ended: {tally.refused}"
        cells.append(f"{tally.per_second:,.0f}")
        _say(f"{replicas} job-workers: {tally.per_second:,.0f} jobs/s ({count} jobs)")
    return f"| {' | '.join(cells)} |"


async def _bench(options: argparse.Namespace) -> str:
    env = {"WORKER__CONCURRENCY": str(_SLOTS), "GATEWAY_RATE_PER_ADDRESS": "100000"}
    stack = Containers("jobstream-bench", subnet="10.213.76.0/24", env=env)
    try:
        await stack.compose("build", within=1200)
        await stack.up()
        rows = [await _measure(stack, replicas, options.jobs) for replicas in (1, 2, 4)]
    finally:
        await stack.down()
    machine = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.0f}, {datetime.now(UTC):%Y-%m-%d}"
    lines = [
        f"Job-workers of {_SLOTS} slots each, single POSTs from 32 connections through the gateway, everything on one",
        f"machine ({machine}; `make bench-replicas`):",
        "",
        "| job-workers | tasks of 0.5 s, jobs/s | `noop`, jobs/s |",
        "|---:|---:|---:|",
        *rows,
        "",
        "Work that waits grows with the slots, until the machine itself is full.",
    ]
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--jobs", type=int, default=2_000, help="jobs that do nothing, for each number of replicas"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/operations.md")
    options = parser.parse_args()
    table = asyncio.run(_bench(options))
    print(table)
    if options.write:
        page = ROOT / "docs/operations.md"
        before, _, rest = page.read_text().partition(_BEGIN)
        page.write_text(before + _BEGIN + table + _END + rest.partition(_END)[2])


if __name__ == "__main__":
    main()

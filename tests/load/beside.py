"""`make bench-all`: the product in turns with other designs of the same service, one machine, one hour.

The others lie in `../shared/bench`, or where YARDSTICKS says: each is a folder with a `run.sh` that starts it on
the Redis and the MongoDB it needs, drives it with `drive.py`, and prints one line of JSON a load. The same driver
drives the product. They share the product's mongod and Kafka, which do nothing else meanwhile, and are copied
first, since they install what they need beside themselves. Those in Python run on PY, a Python that has what
their requirements.txt names; without it they find no more than the product's.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop

from jobstream_local.stack import Ports, Replicas, Stack
from tests.load.goals import CPU_BATCHES, CPU_SINGLE, Goal, table
from tests.load.report import say

_LOADS: Final = (
    ("--n", "4000", "--conns", "64", "--warmup", "4000"),
    ("--rate", "100", "--seconds", "15", "--warmup", "0"),
    ("--n", "6000", "--conns", "8", "--batch", "100"),
)
_OURS: Final = "ours"
_SEED: Final = "seed"
_BULLMQ: Final = "bullmq"
_THEN: Final = {_SEED: (1_424, 700), _BULLMQ: (312, 143)}
"""µs that a single job, and one in batches, took where the goals of CPU were set: a µs of another machine, or of its
busy hour, is another.
"""

Row = Mapping[str, Any]


def main() -> int:
    """Measure and print; 1 if there is nothing to compare with."""
    parser = argparse.ArgumentParser(
        prog="tests.load.beside", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="the table shows medians")
    parser.add_argument("--systems", nargs="+", default=[_SEED, _BULLMQ], help="folders of the yardsticks")
    options = parser.parse_args()
    source = Path(os.environ.get("YARDSTICKS") or Path(__file__).parents[3] / "shared" / "bench")
    if not (source / "drive.py").exists():
        say(f"no yardsticks at {source}; `make bench` measures the product alone")
        return 1
    if missing := [name for name in ("redis-server", "node", "ss") if shutil.which(name) is None]:
        say(f"not on PATH: {', '.join(missing)}")
        return 1
    return uvloop.run(_compare(options, source))


async def _compare(options: argparse.Namespace, source: Path) -> int:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="jobstream-beside-") as folder:
        yardsticks, home = Path(folder) / "bench", Path(folder) / "home"
        shutil.copytree(source, yardsticks, ignore=shutil.ignore_patterns("node_modules"))
        for path in yardsticks.rglob("*"):
            path.chmod(path.stat().st_mode | 0o200)
        async with Stack(home, ports=Ports.free(), replicas=Replicas()) as stack:
            services = [part.name for part in stack.parts.values() if part.kind not in ("mongod", "kafka")]
            for number in range(1, options.rounds + 1):
                for system in (_OURS, *options.systems):
                    say(f"round {number}: {system}")
                    if system == _OURS:
                        await asyncio.gather(*(stack.start(name) for name in services if number > 1))
                        rows += await _ours(stack, yardsticks)
                        await asyncio.gather(*(stack.stop(name) for name in services))
                    else:
                        rows += await _other(stack, yardsticks, system)
    print(f"\n{_table(rows)}\n\n{table(_judged(rows))}\n\n{json.dumps(rows)}")
    return 0 if all(row["done"] == row["n"] for row in rows if row["system"] == _OURS) else 1


async def _ours(stack: Stack, yardsticks: Path) -> list[dict[str, Any]]:
    pids = ",".join(f"{p.kind}={p.process.pid}" for p in stack.parts.values() if p.process.pid)
    rows = []
    for load in _LOADS:
        drive = [sys.executable, str(yardsticks / "drive.py"), "--system", _OURS, "--base", stack.api_url]
        rows += await _lines([*drive, "--pids", pids, *load], {})
    return rows


async def _other(stack: Stack, yardsticks: Path, system: str) -> list[dict[str, Any]]:
    loads = [word for load in _LOADS for word in ("/", *load)][1:]
    env = {
        "MONGO_URL": stack.mongo_uri,
        "KAFKA": stack.bootstrap_servers,
        "PY": os.environ.get("PY", sys.executable),
    }
    return await _lines([str(yardsticks / system / "run.sh"), *loads], env)


async def _lines(command: Sequence[str], env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run a command and return what it prints, a line of JSON each."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, **env}
    )
    assert process.stdout is not None
    told = [line async for line in process.stdout]
    await process.wait()
    if not told:
        raise OSError(f"{command[0]} told nothing")
    return [json.loads(line) for line in told]


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| system | load | jobs/s | p50 / p99, ms | CPU µs/job | of which |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for load in dict.fromkeys(row["load"] for row in rows):
        for system in dict.fromkeys(row["system"] for row in rows):
            rounds = _of(rows, system, load)
            split = ", ".join(
                f"{name} {median(row['cpu_split'][name] for row in rounds):,.0f}"
                for name in rounds[0]["cpu_split"]
            )
            cells = [
                system,
                load,
                f"{_median(rounds, 'done_per_s'):,.0f}",
                f"{_median(rounds, 'e2e_p50_ms'):.1f} / {_median(rounds, 'e2e_p99_ms'):.1f}",
                f"{_median(rounds, 'cpu_us_per_job'):,.0f}",
                split,
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _judged(rows: Sequence[Row]) -> list[Goal]:
    """Return the goals that name another design, and those of CPU by what another design takes in this run."""
    single, _, batches = dict.fromkeys(row["load"] for row in rows)
    wanted = (
        ("single POSTs", single, _SEED, 3, 2),
        ("single POSTs", single, _BULLMQ, 0.7, None),
        ("single POSTs", single, "taskiq", 6, None),
        ("batches of 100", batches, _SEED, 4, 3),
        ("batches of 100", batches, _BULLMQ, 0.9, None),
    )
    goals = [
        Goal(
            f"{name}, jobs/s / those of {other}", goal, first, _ratio(rows, load, _OURS, other), at_least=True
        )
        for name, load, other, goal, first in wanted
        if _of(rows, other, load)
    ]
    for other, (then_single, then_batches) in _THEN.items():
        for name, load, then, (goal, first) in (
            ("single POSTs", single, then_single, CPU_SINGLE),
            ("batches of 100", batches, then_batches, CPU_BATCHES),
        ):
            if _of(rows, other, load):
                measured = _ratio(rows, load, other, _OURS, "cpu_us_per_job")
                what = f"{name}, CPU of {other} / ours"
                goals.append(
                    Goal(what, round(then / goal, 2), round(then / first, 2), measured, at_least=True)
                )
    return goals


def _ratio(rows: Sequence[Row], load: str, above: str, below: str, figure: str = "done_per_s") -> float:
    return _median(_of(rows, above, load), figure) / _median(_of(rows, below, load), figure)


def _of(rows: Sequence[Row], system: str, load: str) -> list[Row]:
    return [row for row in rows if row["system"] == system and row["load"] == load]


def _median(rows: Sequence[Row], figure: str) -> float:
    return median(float(row[figure] or 0) for row in rows)


if __name__ == "__main__":
    sys.exit(main())

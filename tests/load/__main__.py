"""`make bench`: jobs per second, CPU a job and latency of the running product.

Starts a stack of its own, real Kafka and real MongoDB included, on free ports in a folder
that is dropped afterwards; with BASE=http://… it drives one that runs already. Three loads of
`noop` jobs, so that what is measured is everything around a task:

* single POSTs from 64 connections, each posting as fast as it is answered;
* POSTs of 100 jobs each from 8 connections;
* 100 jobs a second, due at fixed moments whatever the answers do.

In turns with them the floor (`tests/load/floor.py`) on the same servers, in groups and at the same rate; then the
goals that can be judged from these, each next to what was measured.

With `--streams 2000` it measures live streams instead: see `tests/load/streams.py`. `--flames` draws where the
services' CPU goes: see `tests/load/flames.py`; `--indexes` prints what each index costs: `tests/load/indexes.py`.
`--walls` prints what one job, record or request may cost the others: `tests/load/walls`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import uvloop

from jobstream_local.stack import Ports, Replicas, Stack
from jobstream_local.state import Home
from tests.load import cpu, floor, goals, indexes, walls
from tests.load.driving import Driver, Tally
from tests.load.flames import draw
from tests.load.report import Figures, line, say, table
from tests.load.streams import measure
from tests.load.wire import WireError

_BODY = b'{"task":"noop","payload":{}}'
_BATCH = 100
_BATCH_CONNECTIONS = 8


def main() -> int:
    """Measure and print; 1 if a job was refused or lost."""
    parser = argparse.ArgumentParser(
        prog="tests.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=6_000, help="single POSTs in a round")
    parser.add_argument("--connections", type=int, default=64, help="connections they come from")
    parser.add_argument(
        "--batches", type=int, default=100, help="POSTs of 100 jobs in a round; 0 leaves them out"
    )
    parser.add_argument("--rate", type=float, default=100, help="jobs a second in the open loop")
    parser.add_argument("--seconds", type=float, default=10, help="length of the open loop")
    parser.add_argument("--warmup", type=int, default=4_000, help="single POSTs before anything counts")
    parser.add_argument("--rounds", type=int, default=2, help="the table shows the median")
    parser.add_argument(
        "--streams", type=int, help="instead of jobs: so many idle streams, and others that are busy"
    )
    parser.add_argument(
        "--indexes", action="store_true", help="instead of jobs: what each index costs mongod"
    )
    parser.add_argument(
        "--walls",
        nargs="*",
        metavar="PART",
        help="instead of jobs: what one job or request may cost the others",
    )
    parser.add_argument(
        "--flames", type=Path, help="instead of figures: a flame graph per service into this folder"
    )
    options = parser.parse_args()
    try:
        if options.flames:
            options.flames.mkdir(parents=True, exist_ok=True)
            return uvloop.run(draw(options.flames, _BODY, options.connections))
        if options.walls is not None:
            return uvloop.run(walls.measure(options.walls))
        if options.indexes:
            return uvloop.run(indexes.measure(options.rounds))
        if options.streams:
            return uvloop.run(measure(options.streams, options.seconds, options.rounds))
        return uvloop.run(_bench(options))
    except (OSError, WireError) as error:
        say(f"no figures: {error}")
        return 1


async def _bench(options: argparse.Namespace) -> int:
    load_average = os.getloadavg()
    rows: list[Figures] = []
    floors: list[Figures] = []
    async with _api() as (url, processes, stack):
        driver = Driver(url, _BODY)
        async with driver.listening():
            await driver.closed_loop(options.warmup, options.connections)
            for _ in range(options.rounds):
                rows += [await _one(driver, load, options, processes) for load in _loads(options)]
                if stack is not None:
                    floors += await _floor(stack, options)
    print(f"\n{table(rows)}")
    if floors:
        print(f"\n{table(floors)}\n\n{goals.table(goals.judged(rows, floors))}")
    print(f"\n{line([*rows, *floors], load_average)}")
    return 0 if all(row.ended == row.jobs for row in rows) else 1


def _loads(options: argparse.Namespace) -> list[str]:
    return [goals.SINGLE, *([goals.BATCHES] if options.batches else []), goals.RATE]


async def _one(
    driver: Driver, load: str, options: argparse.Namespace, processes: Mapping[str, int]
) -> Figures:
    await asyncio.sleep(1)  # commits and events of the load before are not this one's
    before, own = cpu.seconds(processes), time.process_time()
    tally: Tally
    if load == goals.SINGLE:
        name = f"{load}, {options.connections} connections"
        tally = await driver.closed_loop(options.jobs, options.connections)
    elif load == goals.BATCHES:
        name = f"{load} of {_BATCH}, {_BATCH_CONNECTIONS} connections"
        tally = await driver.closed_loop(options.batches * _BATCH, _BATCH_CONNECTIONS, batch=_BATCH)
    else:
        name = f"{load}: {options.rate:g} jobs/s for {options.seconds:g} s"
        tally = await driver.open_loop(round(options.rate * options.seconds), options.rate)
    ended = len(tally.latencies)
    used = cpu.per_job(before, cpu.seconds(processes), ended)
    figures = Figures.of(name, tally, used, round((time.process_time() - own) / max(ended, 1) * 1e6))
    say(f"{name}: {figures.per_second:,.0f} jobs/s, {ended} of {figures.jobs} ended")
    if tally.refused:
        say(f"refused, by status: {tally.refused}")
    return figures


async def _floor(stack: Stack, options: argparse.Namespace) -> list[Figures]:
    """Measure the floor on the servers of the stack, which is at rest meanwhile."""
    rows = []
    for rate in (None, options.rate):
        load = floor.Load(
            mongo_uri=stack.mongo_uri,
            bootstrap_servers=stack.bootstrap_servers,
            prefix=f"floor-{uuid4().hex[:8]}-",
            jobs=options.jobs if rate is None else round(rate * options.seconds),
            rate=rate,
        )
        tally, used = await floor.run(load, _servers(stack))
        name = f"groups of {load.group}" if rate is None else f"{goals.RATE}: {rate:g} jobs/s"
        rows.append(Figures.of(f"{goals.FLOOR} {name}", tally, used, 0))
        say(f"{rows[-1].load}: {rows[-1].per_second:,.0f} jobs/s")
    return rows


def _servers(stack: Stack) -> dict[str, int]:
    return {
        p.kind: p.process.pid for p in stack.parts.values() if p.process.pid and p.kind in ("mongod", "kafka")
    }


@asynccontextmanager
async def _api() -> AsyncIterator[tuple[str, Mapping[str, int], Stack | None]]:
    """Give the URL of an api, the processes behind it, and the stack if it is one of our own."""
    if url := os.environ.get("BASE"):
        yield url, _processes_behind(url), None
        return
    with tempfile.TemporaryDirectory(prefix="jobstream-bench-") as home:
        say("starting a stack of its own")
        async with Stack(Path(home), ports=Ports.free(), replicas=Replicas()) as stack:
            processes = {p.kind: p.process.pid for p in stack.parts.values() if p.process.pid}
            yield stack.api_url, processes, stack


def _processes_behind(url: str) -> Mapping[str, int]:
    """Return the processes of the running `make up` if the URL is one of its addresses."""
    state = Home(Path(os.environ.get("JOBSTREAM_HOME") or ".local")).read()
    if state is None or url.rstrip("/").replace("localhost", "127.0.0.1") not in {
        state.api_url,
        state.web_url,
    }:
        return {}
    return {part.name: part.pid for part in state.parts if part.pid}


if __name__ == "__main__":
    sys.exit(main())

"""`make bench-scale`: what becomes of the figures when there is much of everything.

* backlog: a million pending jobs; acceptance and drain against those of an empty system, memory of each service;
* finished: five million ended jobs; `GET /jobs` with each filter, its next page, and `GET /stats`;
* growth: one, two and four job-workers with tasks that sleep for 50 ms.

Each on a stack of its own. `--pending`, `--finished` and `--slots` take less; `--only growth` one of the three.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import httpx
import psutil
import uvloop
from pymongo import AsyncMongoClient

from api.settings import OWNER
from job_contracts.lifecycle import JobState
from job_contracts.record import Collection
from jobstream_local.stack import Ports, Replicas, Stack
from tests.load.driving import Driver
from tests.load.goals import Goal, table
from tests.load.report import percentile, say
from tests.support.waiting import until
from tests.unit.api.fakes import record

_NOOP: Final = b'{"task":"noop","payload":{}}'
_SLEEP: Final = b'{"task":"sleep","payload":{"seconds":0.05}}'
_NAP: Final = 0.05
_CONNECTIONS: Final = 64
_BATCH: Final = 500
_DATABASE: Final = "jobstream"
_TO_REST: Final = 3.0
"""Seconds in which the api has seen that the jobs it took last only queue: an update of each, no part of the drain."""
_ASKED: Final = 40
"""Times each list is read."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="tests.load.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pending", type=int, default=1_000_000, help="jobs of the backlog")
    parser.add_argument("--finished", type=int, default=5_000_000, help="ended jobs in the database")
    parser.add_argument("--sample", type=int, default=10_000, help="jobs by which a rate is measured")
    parser.add_argument("--slots", type=int, default=10, help="slots of one job-worker, for the growth")
    parser.add_argument("--seconds", type=float, default=15, help="length of each load of the growth")
    parser.add_argument("--only", choices=list(_MEASURES), action="append", help="leave the others out")
    return uvloop.run(_measure(parser.parse_args()))


async def _measure(options: argparse.Namespace) -> int:
    goals: list[Goal] = []
    for name in options.only or _MEASURES:
        say(name)
        found = await _MEASURES[name](options)
        for goal in found:
            say(goal.row())  # should the next measure fail, this one was not for nothing
        goals += found
    print(f"\n{table(goals)}\n")
    print(json.dumps({goal.measure: round(goal.measured, 3) for goal in goals}))
    return 0


@asynccontextmanager
async def _stack(replicas: Replicas | None = None, **env: str) -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="jobstream-scale-") as home:
        async with Stack(Path(home), ports=Ports.free(), replicas=replicas or Replicas(), env=env) as stack:
            yield stack


# --- a backlog
async def _backlog(options: argparse.Namespace) -> list[Goal]:
    async with _stack() as stack:
        driver = Driver(stack.api_url, _NOOP)
        async with driver.listening():
            await driver.closed_loop(options.sample, _CONNECTIONS)  # nothing is cold any more
        await stack.stop("job-worker-1")
        accepted = await _accept(driver, options.sample)
        drained = await _drain(stack, options.sample)
        say(f"empty: {accepted:,.0f} accepted a second, {drained:,.0f} drained")
        await stack.stop("job-worker-1")
        for left in range(options.pending, 0, -(_BATCH * 200)):
            await driver.closed_loop(min(left, _BATCH * 200), 8, batch=_BATCH, within=0)
            say(f"{options.pending - left + min(left, _BATCH * 200):,} pending")
        accepted_then = await _accept(driver, options.sample)
        drained_then = await _drain(stack, options.sample)
        say(f"behind a backlog: {accepted_then:,.0f} accepted a second, {drained_then:,.0f} drained")
        memory = {
            part.name: psutil.Process(part.process.pid).memory_info().rss / 2**20
            for part in stack.parts.values()
            if part.process.pid and part.kind not in ("mongod", "kafka")
        }
    which = f"with {options.pending:,} pending"
    return [
        Goal(f"acceptance {which} / empty", 0.9, 0.7, accepted_then / accepted, at_least=True),
        Goal(f"drain {which} / empty", 0.9, 0.7, drained_then / drained, at_least=True),
        *(Goal(f"{name}, MiB", 150, 150, mib) for name, mib in memory.items()),
    ]


async def _accept(driver: Driver, jobs: int) -> float:
    """Return how many jobs are accepted in a second, whatever becomes of them."""
    tally = await driver.closed_loop(jobs, _CONNECTIONS, within=0)
    return tally.accepted / (tally.accepted_until - tally.started)


async def _drain(stack: Stack, jobs: int) -> float:
    """Start a job-worker and return how many jobs end in a second, from the first end on."""
    await asyncio.sleep(_TO_REST)
    async with _succeeded(stack) as ended:
        before = await ended()
        await stack.start("job-worker-1")

        async def more_than(number: int) -> int:
            now = await ended() - before
            return now if now > number else 0

        first = await until(lambda: more_than(0), within=60, what="the first job to end")
        began = time.perf_counter()
        last = await until(lambda: more_than(jobs * 9 // 10), within=600, what="the jobs to end")
        return (last - first) / (time.perf_counter() - began)


@asynccontextmanager
async def _succeeded(stack: Stack) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Give what counts the jobs that have succeeded, along the index that has their states."""
    client = AsyncMongoClient[dict[str, Any]](stack.mongo_uri)
    jobs = client[_DATABASE][Collection.JOBS]
    query = {"owner": OWNER, "task": "noop", "state": str(JobState.SUCCEEDED)}
    try:
        yield lambda: jobs.count_documents(query, hint="by_task_and_state")
    finally:
        await client.close()


# --- many ended jobs
async def _finished(options: argparse.Namespace) -> list[Goal]:
    async with _stack(Replicas(job_worker=0, dlq_worker=0)) as stack:
        client = AsyncMongoClient[dict[str, Any]](stack.mongo_uri)
        records = _ended_jobs(options.finished)
        inserted = 0
        while group := list(islice(records, 10_000)):
            await client[_DATABASE][Collection.JOBS].insert_many(group, ordered=False)
            inserted += len(group)
            if inserted % 500_000 == 0:
                say(f"{inserted:,} ended jobs")
        await client.close()
        which = f"of {options.finished:,}"
        async with httpx.AsyncClient(base_url=stack.api_url, timeout=30) as api:
            await _list_p95(api, {})  # nothing is cold any more
            lists = [await _list_p95(api, query) for query in _FILTERS]
            stats = [await _seconds(api, "/stats") for _ in range(_ASKED)]
    return [
        *(
            Goal(f"GET /jobs?{urlencode(query, doseq=True)} {which}, p95 ms", 25, 100, p95)
            for query, p95 in zip(_FILTERS, lists, strict=True)
        ),
        Goal(f"GET /stats {which}, p95 ms", 10, 100, percentile(stats, 0.95)),
    ]


_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FILTERS: Final[Sequence[dict[str, Any]]] = (
    {},
    {"order": "oldest"},
    {"state": "succeeded"},
    {"state": ["failed", "cancelled"]},
    {"task": "rare"},
    {"tag": "seldom"},
    {"tag": ["often", "seldom"]},
    {"batch": str(UUID(int=1))},
    {"unique_key": "key-7"},
    {"error_type": "TimeoutError"},
    {"created_after": "2026-01-01T00:10:00Z", "created_before": "2026-01-01T00:20:00Z"},
    {"state": "succeeded", "task": "rare"},
    {"task": "noop", "tag": "seldom"},
)


def _ended_jobs(number: int) -> Iterator[dict[str, Any]]:
    """Give records of ended jobs: some failed, a few of a rare task, in batches, with tags and keys."""
    for n in islice(count(), number):
        at = _BEGAN + timedelta(milliseconds=n)
        failed, cancelled = n % 50 == 0, n % 50 == 1
        state = JobState.FAILED if failed else JobState.CANCELLED if cancelled else JobState.SUCCEEDED
        milliseconds = round(at.timestamp() * 1000)
        # A UUIDv7 of the moment: ids sort as the jobs came.
        job_id = str(UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | n))
        job = record(
            job_id,
            task="rare" if n % 997 == 0 else "noop",
            state=str(state),
            version=3,
            failures=5 if failed else 0,
            created_at=at,
            updated_at=at,
            finished_at=at,
            expire_at=datetime.now(UTC) + timedelta(days=7),
        )
        if failed:
            error = "TimeoutError" if n % 100 else "ValueError"
            job["error"] = {"kind": "exhausted", "type": error, "message": "it did not work"}
        if n % 3 == 0:
            job["tags"] = ["often", "seldom"] if n % 3_000 == 0 else ["often"]
        if n < 1_000:
            job |= {"batch": str(UUID(int=1)), "unique_key": f"key-{n}"}
        yield job


async def _list_p95(api: httpx.AsyncClient, query: dict[str, Any]) -> float:
    """Return the 95th percentile of a list and of its next page, whichever is slower, in milliseconds."""
    first, second = [], []
    for _ in range(_ASKED):
        first.append(await _seconds(api, "/jobs", query))
        cursor = (await api.get("/jobs", params=query)).json().get("next_cursor")  # a 503 has none
        if cursor:
            second.append(await _seconds(api, "/jobs", {**query, "cursor": cursor}))
    return max(percentile(first, 0.95), percentile(second, 0.95))


async def _seconds(api: httpx.AsyncClient, path: str, query: dict[str, Any] | None = None) -> float:
    began = time.perf_counter()
    answer = await api.get(path, params=query)
    if answer.status_code == 503:
        say(f"{answer.url} took too long for the api's patience: 503")
    else:
        answer.raise_for_status()
    return time.perf_counter() - began


# --- more workers
async def _growth(options: argparse.Namespace) -> list[Goal]:
    rates = {}
    for workers in (1, 2, 4):
        slots = workers * options.slots
        async with _stack(Replicas(job_worker=workers), WORKER__CONCURRENCY=str(options.slots)) as stack:
            driver = Driver(stack.api_url, _SLEEP)
            async with driver.listening():
                await driver.closed_loop(slots * 10, _CONNECTIONS)
                tally = await driver.closed_loop(round(slots / _NAP * options.seconds), _CONNECTIONS)
        rates[workers] = tally.per_second
        say(
            f"{workers} job-workers: {tally.per_second:,.0f} jobs/s of {slots / _NAP:,.0f} that the slots allow"
        )
    return [
        Goal(
            f"{workers} job-workers / {workers} times one",
            0.95,
            0.8,
            rates[workers] / rates[1] / workers,
            True,
        )
        for workers in (2, 4)
    ]


_MEASURES: Final = {"backlog": _backlog, "finished": _finished, "growth": _growth}


if __name__ == "__main__":
    sys.exit(main())

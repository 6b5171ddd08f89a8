"""`make bench ARGS='--indexes'`: what each index of `jobs` adds to the writes of a job, in CPU of mongod.

The writes are those of a job that succeeds (insert, claim, succeed), in groups of 64 as under load, into a collection
that lacks one index at a time, then all that a plain job is not in. All variants are played in turns; the cheapest
round of each counts.
"""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.write_concern import WriteConcern
from uuid_utils import uuid7

from job_contracts.indexes import INDEXES, IndexSpec
from job_contracts.record import GRACE, Collection, claim, succeed
from jobstream_local.stack import Ports, Replicas, Stack
from service_chassis.mongo import index_models
from tests.load.report import say
from tests.unit.api.fakes import record

_JOBS: Final = 8_000
_GROUP: Final = 64
_OF_ANY_JOB: Final = ("wake_at", "worker", "by_owner", "by_task_and_state", "expiry")
"""The indexes that a job without options is in, at some time."""

Jobs = AsyncCollection[dict[str, Any]]


async def measure(rounds: int) -> int:
    """Measure and print."""
    every = INDEXES[Collection.JOBS]
    variants = {
        "all": every,
        **{f"without `{left.name}`": [spec for spec in every if spec is not left] for left in every},
        "those of any job": [spec for spec in every if spec.name in _OF_ANY_JOB],
        "none": (),
    }
    found: dict[str, list[list[float]]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory(prefix="jobstream-indexes-") as home:
        async with Stack(Path(home), ports=Ports.free(), replicas=Replicas.none()) as stack:
            mongod = psutil.Process(stack.part("mongod").process.pid)
            async with AsyncMongoClient[dict[str, Any]](stack.mongo_uri) as client:
                jobs: Jobs = client["indexes"].get_collection(
                    "jobs", write_concern=WriteConcern(w="majority", j=True)
                )
                for number in range(rounds):
                    say(f"round {number + 1} of {rounds}")
                    for name, specs in variants.items():
                        found[name].append(await _writes(jobs, specs, mongod))
    best = {name: min(costs, key=sum) for name, costs in found.items()}
    print("| indexes | insert, µs | claim | succeed | together | against all |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, costs in best.items():
        cells = [f"{cost:.0f}" for cost in (*costs, sum(costs))]
        print(f"| {name} | {' | '.join(cells)} | {sum(costs) - sum(best['all']):+.0f} |")
    return 0


async def _writes(jobs: Jobs, specs: Sequence[IndexSpec], mongod: psutil.Process) -> list[float]:
    """Return microseconds of mongod's CPU a job, for each of the three writes."""
    await jobs.drop()
    if specs:
        await jobs.create_indexes(index_models(specs))
    look_at = datetime.now(UTC) + GRACE
    groups = [[record(str(uuid7()), wake_at=look_at) for _ in range(_GROUP)] for _ in range(_JOBS // _GROUP)]

    async def insert(group: Sequence[dict[str, Any]]) -> None:
        await jobs.insert_many(group, ordered=False)

    async def take(group: Sequence[dict[str, Any]]) -> None:
        await jobs.update_many(*claim([job["_id"] for job in group], 1, worker="w", token="t" * 32))

    async def end(group: Sequence[dict[str, Any]]) -> None:
        ids = [job["_id"] for job in group]
        await jobs.update_many(*succeed(ids, 2, retention=timedelta(days=7), token="t" * 32))

    costs = []
    for write in (insert, take, end):
        before = sum(mongod.cpu_times()[:2])
        for group in groups:
            await write(group)
        costs.append((sum(mongod.cpu_times()[:2]) - before) / (len(groups) * _GROUP) * 1e6)
    return costs

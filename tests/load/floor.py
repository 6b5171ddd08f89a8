"""The floor: the path of a job with nothing but drivers, in three processes.

Nobody who stores and carries jobs so gets below it. No HTTP, no validation, no events but the last, no retries:
insert, publish, claim, publish, store result and move, publish, read. Every write is journaled by a majority,
every offset is committed after its write, as in the product. It runs on the servers of the product, in a
database and on topics of its own, so that a ratio of the two stands on one machine at one time.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Final, Literal

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient
from pymongo.write_concern import WriteConcern
from uuid_utils import uuid7

from job_contracts.indexes import INDEXES
from job_contracts.record import Collection
from service_chassis.mongo import index_models
from tests.load import cpu
from tests.load.driving import Tally

_TOPICS: Final = "jobs", "results", "job-events"
_PARTITIONS: Final = 12
_DATABASE: Final = "floor"
_LANES: Final = 4
_DEPTH: Final = 4
_WARM: Final = 24
"""Groups that go along before anything counts: two on each partition."""

_SMALL_INDEXES: Final = {"segment.index.bytes": str(1 << 16)}
"""Kafka maps each index file whole. Those of new topics are holes of 10 MiB, which the kernel reads ahead and zeroes:
three times the CPU of everything else. Topics that have been in use for a while, as the product's, are spared that."""

Ids = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent along the floor: so many jobs, in groups as fast as it goes, or singly at a rate."""

    mongo_uri: str
    bootstrap_servers: str
    prefix: str
    jobs: int
    group: int = 64
    rate: float | None = None


class _Links:
    """The connections of one process."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._turns = count()
        self._stack = AsyncExitStack()
        database = AsyncMongoClient[dict[str, Any]](load.mongo_uri)[_DATABASE]
        self.jobs, self.results = (
            database.get_collection(name, write_concern=WriteConcern(w="majority", j=True))
            for name in ("jobs", "results")
        )
        self._producer = AIOKafkaProducer(
            bootstrap_servers=load.bootstrap_servers, acks="all", max_batch_size=1 << 20
        )

    async def __aenter__(self) -> "_Links":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, topic: str, ids: Ids) -> None:
        """Publish one batch and wait until it is acknowledged."""
        batch = self._producer.create_batch()
        for job_id in ids:
            batch.append(key=job_id.encode(), value=json.dumps({"id": job_id}).encode(), timestamp=None)
        partition = next(self._turns) % _PARTITIONS
        await (await self._producer.send_batch(batch, f"{self._load.prefix}{topic}", partition=partition))

    async def read(
        self, topic: str, handle: Callable[[Ids], Awaitable[None]], *, commit: bool = True
    ) -> None:
        """Handle what comes, a few polls at a time, and commit each behind its work."""
        consumer = AIOKafkaConsumer(
            f"{self._load.prefix}{topic}",
            bootstrap_servers=self._load.bootstrap_servers,
            group_id=f"{self._load.prefix}{topic}" if commit else None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        slots, last = asyncio.Semaphore(_DEPTH), None

        async def one(got: Mapping[Any, Any], before: asyncio.Task[None] | None) -> None:
            await handle([json.loads(record.value)["id"] for records in got.values() for record in records])
            slots.release()
            if before is not None:
                await before
            if commit:
                await consumer.commit({place: records[-1].offset + 1 for place, records in got.items()})

        print("ready", flush=True)
        while True:
            await slots.acquire()
            while not (got := await consumer.getmany(timeout_ms=1000)):
                pass
            last = asyncio.create_task(one(got, last))


async def _claim(load: Load) -> None:
    async with _Links(load) as links:

        async def handle(ids: Ids) -> None:
            await links.jobs.update_many(
                {"_id": {"$in": ids}, "version": 1, "state": "pending"},
                {"$set": {"state": "running", "version": 2, "worker": "w"}},
            )
            await links.publish("results", ids)

        await links.read("jobs", handle)


async def _record(load: Load) -> None:
    async with _Links(load) as links:

        async def handle(ids: Ids) -> None:
            await asyncio.gather(
                links.results.insert_many(
                    [{"_id": job_id, "result": "null"} for job_id in ids], ordered=False
                ),
                links.jobs.update_many(
                    {"_id": {"$in": ids}, "version": 2, "state": "running"},
                    {"$set": {"state": "succeeded", "version": 3}, "$unset": {"worker": "", "wake_at": ""}},
                ),
            )
            await links.publish("job-events", ids)

        await links.read("results", handle)


async def _accept(load: Load) -> None:
    """Insert and publish, and print how long each job took until its event was read.

    Says when it is warm, and begins when it is told to.
    """
    due: dict[str, float] = {}
    latencies: list[float] = []
    more = asyncio.Event()

    async with _Links(load) as links:

        async def heard(ids: Ids) -> None:
            now = time.perf_counter()
            latencies.extend(now - due[job_id] for job_id in ids)
            more.set()

        async def until_heard(jobs: int) -> None:
            async with asyncio.timeout(60):
                while len(latencies) < jobs:
                    await more.wait()
                    more.clear()

        async def submit(number: int, at: float) -> None:
            ids = [str(uuid7()) for _ in range(number)]
            due.update(dict.fromkeys(ids, at))
            fields = {"owner": "default", "task": "noop", "payload": "{}", "state": "pending", "version": 1}
            await links.jobs.insert_many([{"_id": i, **fields, "wake_at": at} for i in ids], ordered=False)
            await links.publish("jobs", ids)

        async def lane(jobs: int) -> None:
            for start in range(0, jobs, load.group):
                await submit(min(load.group, jobs - start), time.perf_counter())

        async def lanes(jobs: int) -> None:
            async with asyncio.TaskGroup() as tasks:
                for number in range(_LANES):
                    tasks.create_task(lane(jobs // _LANES + (number < jobs % _LANES)))

        async def singly(jobs: int, rate: float) -> None:
            async with asyncio.TaskGroup() as tasks:
                for number in range(jobs):
                    at = began + number / rate
                    await asyncio.sleep(max(0.0, at - time.perf_counter()))
                    tasks.create_task(submit(1, at))

        reading = asyncio.create_task(links.read("job-events", heard, commit=False))
        await lanes(_WARM * load.group)
        await until_heard(_WARM * load.group)
        latencies.clear()
        print("warm", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began = time.perf_counter()
        await (lanes(load.jobs) if load.rate is None else singly(load.jobs, load.rate))
        await until_heard(load.jobs)
        reading.cancel()
        print(json.dumps({"began": began, "ended": time.perf_counter(), "latencies": latencies}), flush=True)


Role = Literal["accept", "claim", "record"]
_ROLES: Final[Mapping[Role, Callable[[Load], Awaitable[None]]]] = {
    "accept": _accept,
    "claim": _claim,
    "record": _record,
}


@asynccontextmanager
async def _topics(load: Load) -> AsyncIterator[None]:
    admin = AIOKafkaAdminClient(bootstrap_servers=load.bootstrap_servers)
    await admin.start()
    names = [f"{load.prefix}{topic}" for topic in _TOPICS]
    client = AsyncMongoClient[dict[str, Any]](load.mongo_uri)
    try:
        await admin.create_topics(
            [NewTopic(name, _PARTITIONS, 1, topic_configs=_SMALL_INDEXES) for name in names]
        )
        # The same indexes: they are a price of what can be asked, not of how it is done.
        await client[_DATABASE]["jobs"].create_indexes(index_models(INDEXES[Collection.JOBS]))
        yield
    finally:
        await admin.delete_topics(names)
        await admin.close()
        await client.drop_database(_DATABASE)
        await client.close()


async def run(load: Load, servers: Mapping[str, int]) -> tuple[Tally, dict[str, int]]:
    """Send a load along the floor; return what was seen, and microseconds of CPU a job by process, servers included."""
    async with _topics(load), AsyncExitStack() as ends:
        processes = dict(servers)
        for role in ("claim", "record"):
            process = await _start(role, load, ends)
            await _line(process)  # it reads its topic
            processes[f"floor {role}"] = process.pid
        accept = await _start("accept", load, ends)
        await _line(accept)
        await _line(accept)  # it is warm
        processes["floor accept"] = accept.pid
        before = cpu.seconds(processes)
        assert accept.stdin is not None
        accept.stdin.write(b"\n")
        told = json.loads(await _line(accept))
        tally = Tally(load.jobs, started=told["began"])
        tally.latencies, tally.ended_until = told["latencies"], told["ended"]
        return tally, cpu.per_job(before, cpu.seconds(processes), load.jobs)


async def _start(role: Role, load: Load, ends: AsyncExitStack) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.load.floor", role, json.dumps(asdict(load))]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26
    )

    async def end() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    ends.push_async_callback(end)
    return process


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(120):
        line = await process.stdout.readline()
    if not line:
        raise OSError("a process of the floor has ended before its time")
    return line


if __name__ == "__main__":
    uvloop.run(_ROLES[sys.argv[1]](Load(**json.loads(sys.argv[2]))))  # type: ignore[index,arg-type]

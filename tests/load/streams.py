"""`make bench ARGS='--streams 2000'`: what live streams cost one api process.

Without workers each POST is one event, so posting at a fixed rate is the load of events too.

* idle: as many streams that want none of these events; memory of each, and POST beside them;
* busy: streams that get every event, at a low rate so that none can be merged; deliveries a second of the
  api's CPU, and the same of the least a hub in Go can do, where there is a `go` to build it with.
"""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

from jobstream_local.ports import free_port
from jobstream_local.stack import Ports, Replicas, Stack
from tests.load.report import percentile, say
from tests.load.wire import Address, Poster, WireError
from tests.support.waiting import until_true

_BODY: Final = json.dumps({"task": "noop", "payload": {}, "tags": ["x" * 64, "y" * 64]}).encode()
_IDLE: Final = "/events?tag=nobody"
_EVENTS_A_SECOND: Final = 200
_BUSY, _BUSY_RATE, _BUSY_SECONDS = 1_000, 10, 8
_ANCHOR: Final = Path(__file__).parent / "anchor" / "hub.go"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one turn of all measures came to; the anchor's is None without a `go`."""

    post_p99_ms_alone: float
    post_p99_ms_beside_idle: float
    deliveries_a_cpu_second: float
    anchor_deliveries_a_cpu_second: float | None

    @property
    def slower(self) -> float:
        """Times as long as alone a POST takes beside idle streams, at p99."""
        return self.post_p99_ms_beside_idle / self.post_p99_ms_alone

    @property
    def dearer(self) -> float | None:
        """Times as many deliveries as ours the anchor makes of a second of CPU."""
        anchor = self.anchor_deliveries_a_cpu_second
        return None if anchor is None else anchor / self.deliveries_a_cpu_second


def _table(rounds: Sequence[Round], idle: int, kib_a_stream: float) -> str:
    """Return the medians, and each round's ratio: a machine that others use makes single ones wide."""
    anchors = [r.anchor_deliveries_a_cpu_second for r in rounds if r.anchor_deliveries_a_cpu_second]
    rows = [
        (f"memory of one of {idle:,} idle streams", f"{kib_a_stream:.1f} KiB"),
        (
            f"POST → 202, p99, {_EVENTS_A_SECOND} events/s",
            f"{median(r.post_p99_ms_alone for r in rounds):.1f} ms",
        ),
        (
            "the same beside the idle streams",
            f"{median(r.post_p99_ms_beside_idle for r in rounds):.1f} ms, {_times([r.slower for r in rounds])}",
        ),
        (
            f"deliveries a CPU second, {_BUSY:,} streams, {_BUSY_RATE} events/s",
            f"{median(r.deliveries_a_cpu_second for r in rounds):,.0f}",
        ),
        (
            "the same of the hub in Go",
            f"{median(anchors):,.0f}, {_times([r.dearer for r in rounds if r.dearer])} ours"
            if anchors
            else "no `go`",
        ),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {figure} |" for name, figure in rows)])


def _times(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} times ({', '.join(f'{ratio:.2f}' for ratio in sorted(ratios))})"


class _Stream(asyncio.Protocol):
    """A stream that counts the events it gets, and looks at nothing else."""

    def __init__(self, request: bytes) -> None:
        self._request, self.events, self.is_open = request, 0, False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.is_open = True
        self.events += data.count(b"event: job\n")

    def close(self) -> None:
        self._transport.abort()


@asynccontextmanager
async def _streams(address: Address, path: str, count: int) -> AsyncIterator[list[_Stream]]:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(50)

    async def come() -> _Stream:
        async with gate:
            request = address.listen(path)
            connected = await loop.create_connection(lambda: _Stream(request), address.host, address.port)
            return connected[1]

    streams = await asyncio.gather(*(come() for _ in range(count)))
    try:
        await until_true(lambda: all(s.is_open for s in streams), within=30, what="all streams to be open")
        yield streams
    finally:
        for stream in streams:
            stream.close()


async def _post(address: Address, rate: float, seconds: float) -> list[float]:
    """Post at a fixed rate and return how long each answer took, counted from when the POST was due."""
    posters = [await Poster.open(address) for _ in range(16)]
    request, took = address.post("/jobs", _BODY), list[float]()
    began = time.perf_counter()

    async def one(number: int) -> None:
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        poster = free.pop() if free else await Poster.open(address)
        status, body = await poster.send(request)
        took.append(time.perf_counter() - due)
        free.append(poster)
        if status != 202:
            raise WireError(f"POST /jobs answered {status}: {body[:200].decode()}")

    free = list(posters)
    await asyncio.gather(*(one(number) for number in range(round(rate * seconds))))
    for poster in free:
        poster.close()
    return took


async def _deliveries(address: Address, pid: int) -> float:
    """Return events that reached streams in one second of a process's CPU."""
    process = psutil.Process(pid)
    say(f"{_BUSY} streams that get every event")
    async with _streams(address, "/events", _BUSY) as streams:
        used = sum(process.cpu_times()[:2])
        await _post(address, _BUSY_RATE, _BUSY_SECONDS)
        goal = _BUSY_RATE * _BUSY_SECONDS
        await until_true(lambda: all(s.events >= goal for s in streams), within=30, what="all deliveries")
        return goal * _BUSY / (sum(process.cpu_times()[:2]) - used)


@asynccontextmanager
async def _anchor() -> AsyncIterator[Callable[[], Awaitable[float]] | None]:
    """Give what measures the hub in Go, while its process runs; None where there is no `go`."""
    if (go := shutil.which("go")) is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="jobstream-anchor-") as home:
        binary, port = Path(home) / "hub", free_port()
        env = {**os.environ, "GOMAXPROCS": "1"}
        say("building the hub in Go: minutes, the first time")
        await asyncio.to_thread(
            subprocess.run, [go, "build", "-o", str(binary), str(_ANCHOR)], check=True, env=env
        )
        process = await asyncio.create_subprocess_exec(str(binary), str(port), env=env)
        try:
            await asyncio.sleep(0.5)  # until it listens
            yield partial(_deliveries, Address(f"http://127.0.0.1:{port}"), process.pid)
        finally:
            process.kill()
            await process.wait()


async def measure(count: int, seconds: float, rounds: int) -> int:
    """Measure all in turns, so that what a busy machine does to one it does to the other, and print."""
    found, growths = list[Round](), list[int]()
    with tempfile.TemporaryDirectory(prefix="jobstream-bench-") as home:
        replicas = Replicas(job_worker=1, result_worker=0, dlq_worker=0)
        async with Stack(Path(home), ports=Ports.free(), replicas=replicas) as stack, _anchor() as anchor:
            await stack.stop("job-worker-1")  # it has told its tasks, and is not to run them
            address, pid = Address(stack.api_url), stack.part("api-1").process.pid
            assert pid is not None
            await _post(address, _EVENTS_A_SECOND, 2)
            for number in range(rounds):
                say(f"round {number + 1}: posting with no stream open")
                before = await _post(address, _EVENTS_A_SECOND, seconds)
                held = psutil.Process(pid).memory_info().rss
                say(f"beside {count} idle streams")
                async with _streams(address, _IDLE, count):
                    await asyncio.sleep(1)  # the buffers of their opening are given back
                    growths.append(psutil.Process(pid).memory_info().rss - held)
                    beside = await _post(address, _EVENTS_A_SECOND, seconds)
                after = await _post(address, _EVENTS_A_SECOND, seconds)
                found.append(
                    Round(
                        post_p99_ms_alone=percentile(before + after, 0.99),
                        post_p99_ms_beside_idle=percentile(beside, 0.99),
                        deliveries_a_cpu_second=round(await _deliveries(address, pid)),
                        anchor_deliveries_a_cpu_second=await anchor() if anchor else None,
                    )
                )
    # The first alone: later streams find the memory of those before them.
    kib_a_stream = round(growths[0] / count / 1024, 1)
    figures = {"kib_a_stream": kib_a_stream, "rounds": [asdict(r) for r in found]}
    print(f"\n{_table(found, count, kib_a_stream)}\n\n{json.dumps(figures)}")
    return 0

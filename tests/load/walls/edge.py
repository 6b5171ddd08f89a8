"""What one request may cost the api: the worst that we know of, each against its bound.

Requests go through the app itself, on the loop of this process, with a catalogue in memory. The loop's time is the
longest in which nothing else of it had a turn; memory is how far the process grew above where it was.
"""

import asyncio
import json
import time
from collections.abc import Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast
from unittest.mock import AsyncMock

from api.batch_drafting import BatchDrafting
from api.batching import AT_ONCE, Batching, BatchJobs, BatchStore
from api.catalogue import Catalogue
from api.http import http_app
from api.problems import MAX_BYTES
from api.room import Room
from api.routes.batches import batch_routes
from api.routes.submitting import PostJobs
from api.submission import Submissions
from api.waiting import Waiting
from service_chassis.server import AsgiApp
from tests.load.walls import Wall
from tests.unit.api.fakes import NOW, FakeAnnouncer, FakeStore, FakeTasks, task_doc
from tests.unit.api.test_judge import HOSTILE

_LIMIT: Final = 64 * 1024
_BATCH_LIMIT: Final = 1024 * 1024
_TIMES: Final = 3
_MILLISECONDS: Final = 50.0
_MEBIBYTES: Final = 4.0


async def measure() -> list[Wall]:
    """Send each request some times; the least of its costs counts, since the machine has other work."""
    app = _app()
    walls: list[Wall] = []
    longest = 0
    for name, path, body in _requests():
        costs = [await _cost(app, path, body) for _ in range(_TIMES + 1)][1:]
        walls.append(Wall(f"{name}: loop", min(c[0] for c in costs) * 1000, _MILLISECONDS, "ms"))
        walls.append(Wall(f"{name}: memory", min(c[1] for c in costs), _MEBIBYTES, "MiB"))
        longest = max(longest, *(c[2] for c in costs))
    return [*walls, Wall("longest refusal", longest / 1024, MAX_BYTES / 1024, "KiB")]


def _app() -> AsgiApp:
    tasks = [
        task_doc(name, schema if isinstance(schema, dict) else {}) for name, (schema, _) in HOSTILE.items()
    ]
    catalogue = Catalogue(store=FakeTasks(task_doc("any", {}), *tasks))
    announcer, patience = FakeAnnouncer(), timedelta(seconds=10)
    submissions = Submissions(
        catalogue=catalogue, store=FakeStore(), announcer=announcer, now=lambda: NOW, patience=patience
    )
    batching = Batching(
        drafting=BatchDrafting(catalogue=catalogue, now=lambda: NOW, job_limit=_LIMIT),
        batches=cast("BatchStore", AsyncMock()),
        jobs=cast("BatchJobs", AsyncMock()),
        announcer=announcer,
        room=Room(AT_ONCE),
        now=lambda: NOW,
        patience=patience,
        kept=patience,
    )
    waiting = cast("Waiting", None)
    submit = PostJobs(submissions=submissions, waiting=waiting, body_limit=_LIMIT)
    routers = batch_routes(batching=batching, body_limit=_BATCH_LIMIT)
    return http_app(submit=submit, many=submit, one=submit, routers=routers)


def _requests() -> Iterator[tuple[str, str, bytes]]:
    """Give the worst requests that fit under the limits, and two that are taken to compare them with."""
    yield "taken: a flat list", "/jobs", _filled(b'{"task":"any","payload":[', b"1,", b"1]}")
    yield "taken: many lists", "/jobs", _filled(b'{"task":"any","payload":[', b"[],", b"1]}")
    for name, (_, document) in HOSTILE.items():
        body = json.dumps({"task": name, "payload": document}, separators=(",", ":")).encode()
        if len(body) <= _LIMIT:
            yield f"payload: {name}", "/jobs", body
    for name, piece in {
        "bad tags": b'"",',
        "long tags": b'"' + b"x" * 65 + b'",',
        "no tags": b"[],",
    }.items():
        yield name, "/jobs", _filled(b'{"task":"any","tags":[', piece, b'""]}')
    yield "unknown fields", "/jobs", _names(b'{"task":"any",', b"}", _LIMIT)
    yield "a late NUL", "/jobs", _filled(b'{"task":"any","payload":[', b"[],", b'"\\u0000"]}')
    yield "a late NaN", "/jobs", _filled(b'{"task":"any","payload":[', b"1,", b"NaN]}")
    yield "many NaN", "/jobs", _filled(b'{"task":"any","payload":[', b"NaN,", b"1]}")
    yield "deep", "/jobs", b"[" * _LIMIT
    yield "no end", "/jobs", _filled(b'{"task":"any","payload":["', b"x", b"")
    yield "a long task", "/jobs", _filled(b'{"task":"', b"x", b'"}')
    yield "a long key", "/jobs", _filled(b'{"task":"any","', b"x", b'":1}')
    bad = {
        "jobs that are none": b"1,",
        "empty jobs": b"{},",
        "unknown tasks": b'{"task":"nope"},',
        "bad payloads": b'{"task":"required"},',
    }
    for name, piece in bad.items():
        yield f"batch: {name}", "/jobs/batch", _filled(b'{"jobs":[', piece, b"{}]}", _BATCH_LIMIT)
        yield f"batch: 900 {name}", "/jobs/batch", b'{"jobs":[' + piece * 900 + b"{}]}"
    yield "batch: unknown fields", "/jobs/batch", _names(b'{"jobs":[{"task":"any"}],', b"}", _BATCH_LIMIT)
    worst = json.dumps({"task": "names", "payload": HOSTILE["names"][1]}, separators=(",", ":")).encode()
    yield "batch: the worst of jobs", "/jobs/batch", b'{"jobs":[' + b",".join([worst] * 14) + b"]}"


def _filled(begin: bytes, piece: bytes, end: bytes, limit: int = _LIMIT) -> bytes:
    return begin + piece * ((limit - len(begin) - len(end)) // len(piece)) + end


def _names(begin: bytes, end: bytes, limit: int) -> bytes:
    names = b",".join(b'"%d":1' % n for n in range(limit // 11))
    return begin + names[: names.rfind(b",", 0, limit - len(begin) - len(end))] + end


async def _cost(app: AsgiApp, path: str, body: bytes) -> tuple[float, float, int]:
    """Return the loop's longest turn in seconds, the growth of memory in MiB, and the bytes of a refusal."""
    longest, running = 0.0, True

    async def tick() -> None:
        nonlocal longest
        while running:
            begun = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begun)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    before = _memory("VmRSS")
    _forget_peak()
    status, size = await _send(app, path, body)
    running = False
    await ticking
    return longest, max(0.0, _memory("VmHWM") - before), size if status >= 400 else 0


async def _send(app: AsgiApp, path: str, body: bytes) -> tuple[int, int]:
    status = size = 0

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, size
        status = message.get("status", status)
        size += len(message.get("body", b""))

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
    await app({**scope, "query_string": b"", "headers": headers, "root_path": ""}, receive, send)
    return status, size


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> float:
    text = Path("/proc/self/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024

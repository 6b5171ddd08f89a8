"""The worker's lease: a document renewed from a thread of its own.

A task that blocks the event loop must not lose the lease of all the others, so renewal
has its own thread and its own connection. An id is new at each start, and a lapsed lease
is never renewed: the worker drops what it runs and goes on under a new id
(docs/protocol.md, 4).
"""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pymongo import MongoClient, ReadPreference
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from job_contracts.record import NOW, Collection, after
from job_worker.settings import WorkerSettings
from job_worker.slots import Slots
from service_chassis.health import Status
from service_chassis.settings import MongoSettings

log = logging.getLogger(__name__)

_KEPT = timedelta(days=1)
_SLOW_LOOP = timedelta(seconds=1)
HUNG = 70
"""Exit code of a process whose loop hung (EX_SOFTWARE of sysexits.h)."""


class Lease:
    """Holds this worker's place among the living.

    Parameters
    ----------
    on_lapse
        Called in the loop with the lapsed id, before a new id is in force: whatever runs
        under it must be dropped.
    tasks, unavailable
        What this worker can run now; what it cannot, though it is installed, and why.
    versions
        The same tasks with the digests of their payloads' schemas: `task@digest`.
    running
        Names what runs now, for the log when the loop is blocked.
    """

    def __init__(
        self,
        mongo: MongoSettings,
        settings: WorkerSettings,
        *,
        tasks: Callable[[], Sequence[str]],
        unavailable: Callable[[], Sequence[Mapping[str, Any]]],
        slots: Slots,
        partitions: Callable[[], list[int]],
        running: Callable[[], list[str]],
        versions: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._mongo, self._settings = mongo, settings
        self._tasks, self._unavailable, self._slots = tasks, unavailable, slots
        self._partitions, self._running, self._versions = partitions, running, versions
        self.on_lapse: Callable[[str], None] = lambda _: None
        self.worker_id = _new_id()
        self.free_elsewhere = 0
        self._held_until = 0.0
        self._registered = False
        self._reason = "not taken yet"
        self._held = asyncio.Event()
        self.blocked_looks = 0
        """How often the loop was found to be blocked; about once a second as long as it is."""
        self._ticked = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._beat: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> "Lease":
        self._loop = asyncio.get_running_loop()
        self._beat = asyncio.create_task(self._tick(), name="lease-tick")
        self._thread = threading.Thread(target=self._renew_for_ever, name="lease", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        if self._beat:
            self._beat.cancel()
        if self._thread:
            await asyncio.to_thread(self._thread.join, 1)

    def holds(self) -> bool:
        """Whether a claim made now would be under a living lease, by this machine's monotonic clock."""
        return time.monotonic() < self._held_until

    def check(self) -> Status:
        """Whether the lease holds; if not, what kept it from being renewed."""
        if self._thread is None or not self._thread.is_alive():
            return Status(False, "nothing renews it")
        return Status(self.holds(), self._reason)

    async def held(self) -> str:
        """Wait until the lease holds and return the worker's id."""
        while not self.holds():
            self._held.clear()
            await self._held.wait()
        return self.worker_id

    async def _tick(self) -> None:
        while True:
            self._ticked = time.monotonic()
            await asyncio.sleep(0.5)

    # Everything below runs in the lease's thread.

    def _renew_for_ever(self) -> None:
        client: MongoClient[dict[str, Any]] | None = None
        due = 0.0
        while not self._stop.wait(0.25):
            # Whatever goes wrong, such as a thread or memory that cannot be had, the next try may be better.
            try:
                self._watch_loop()
                if time.monotonic() < due:
                    continue
                client = client or _connect(self._mongo)
                due = self._renew_once(self._workers(client))
            except Exception as error:
                self._reason = f"{type(error).__name__}: {str(error)[:200]}"
                log.warning("lease.not_renewed", extra={"reason": self._reason})
                if not isinstance(error, PyMongoError):
                    log.exception("lease.failed")
                due = time.monotonic() + 0.5
        if client is not None:
            self._leave(self._workers(client))
            client.close()

    def _workers(self, client: "MongoClient[dict[str, Any]]") -> Any:
        return client[self._mongo.database].get_collection(
            Collection.WORKERS,
            write_concern=WriteConcern(w="majority", j=True),
            read_preference=ReadPreference.PRIMARY,
        )

    def _renew_once(self, workers: Any) -> float:
        """Renew the lease, or take one under a new id; return when to do so again."""
        asked = time.monotonic()
        if self._registered and not self._renew(workers):
            log.warning("lease.lapsed", extra={"worker": self.worker_id})
            self._call(self._lapsed, self.worker_id)
            self.worker_id = _new_id()
            self._registered = False
        if not self._registered:
            self._register(workers)
            self._registered = True
        self.free_elsewhere = self._count_free_elsewhere(workers)
        # Counted from before the request: MongoDB's clock started the lease no earlier than that.
        self._held_until = asked + self._settings.lease.total_seconds() - 1
        self._reason = "held"
        self._call(self._held.set)
        return asked + self._settings.renew_every.total_seconds()

    def _state(self) -> dict[str, Any]:
        return {
            "alive_until": after(self._settings.lease),
            "expire_at": after(_KEPT),
            "slots": self._slots.total,
            "busy": self._slots.busy,
            "partitions": self._partitions(),
            "tasks": {"$literal": list(self._tasks())},
            "versions": {"$literal": list(self._versions())},
            "unavailable": {"$literal": list(self._unavailable())},
        }

    def _renew(self, workers: Any) -> bool:
        living = {"_id": self.worker_id, "$expr": {"$gt": ["$alive_until", NOW]}}
        return bool(workers.update_one(living, [{"$set": self._state()}]).matched_count)

    def _register(self, workers: Any) -> None:
        fixed = {
            "host": {"$literal": self._settings.host},
            "started_at": NOW,
        }
        workers.update_one({"_id": self.worker_id}, [{"$set": {**self._state(), **fixed}}], upsert=True)
        log.info("lease.registered", extra={"worker": self.worker_id})

    def _count_free_elsewhere(self, workers: Any) -> int:
        others = {"_id": {"$ne": self.worker_id}, "$expr": {"$gt": ["$alive_until", NOW]}}
        return sum(max(0, w["slots"] - w["busy"]) for w in workers.find(others, {"slots": 1, "busy": 1}))

    def _leave(self, workers: Any) -> None:
        try:
            workers.delete_one({"_id": self.worker_id})
        except PyMongoError as error:
            log.warning("lease.not_returned", extra={"reason": f"{type(error).__name__}: {str(error)[:200]}"})

    def _lapsed(self, worker_id: str) -> None:
        self.on_lapse(worker_id)

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    def _watch_loop(self) -> None:
        silent = timedelta(seconds=time.monotonic() - self._ticked)
        if silent <= _SLOW_LOOP + timedelta(seconds=0.5):
            return
        blocked = {"tasks": self._running(), "where": _where_it_stands()}
        if silent > self._settings.hang_limit:
            log.error("loop.hung", extra={**blocked, "seconds": silent.total_seconds()})
            os._exit(HUNG)
        self.blocked_looks += 1
        log.warning("loop.blocked", extra={**blocked, "seconds": silent.total_seconds()})
        self._stop.wait(1)


def _where_it_stands() -> list[str]:
    """Return the innermost lines that the loop's thread is in: who blocks it."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001  there is no other way
    stack = traceback.extract_stack(frame)[-3:] if frame is not None else []
    return [f"{line.filename}:{line.lineno} {line.name}" for line in stack]


def _connect(settings: MongoSettings) -> "MongoClient[dict[str, Any]]":
    return MongoClient(
        settings.uri.get_secret_value(),
        serverSelectionTimeoutMS=1_500,
        connectTimeoutMS=1_500,
        socketTimeoutMS=2_500,
        appname="jobstream-lease",
        maxPoolSize=1,
    )


def _new_id() -> str:
    return f"w-{uuid4()}"

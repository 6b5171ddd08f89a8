"""Which tasks there are and what each takes: read from MongoDB, where the workers say it."""

import asyncio
import difflib
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
from jsonschema_rs import ReferencingError, ValidationError
from msgspec import Raw, Struct

from api.judge import Judge
from api.problems import UNKNOWN_TASK, FieldError, Problem, unavailable
from job_contracts.upstreams import UpstreamView

log = logging.getLogger(__name__)

REFRESH: Final = timedelta(seconds=2)
UPSTREAMS_SHOWN: Final = 20
"""Of one task: one that calls hosts of all the world has very many."""
_BAD_TASK: Final = (KeyError, TypeError, ValueError, ValidationError, ReferencingError, RecursionError)
_SELDOM: Final = timedelta(seconds=0.25)


class PauseView(Struct, frozen=True, kw_only=True):
    """Since when a task is paused, by whom (`person` or `brake`), and why."""

    at: datetime
    by: str
    reason: str | None


class UnavailableView(Struct, frozen=True, kw_only=True):
    """A worker that has a task installed and cannot run it, since when, and why; it goes on trying."""

    worker: str
    host: str
    at: datetime
    error: str


class VersionView(Struct, frozen=True, kw_only=True):
    """A version of a task: a schema, since when it is known, and the live workers that have it."""

    digest: str
    first_seen: datetime
    workers: list[str]


class TaskView(Struct, frozen=True, kw_only=True):
    """A task as GET /tasks shows it."""

    name: str
    description: str
    payload_schema: Raw
    result_schema: Raw
    options: dict[str, Any]
    paused: bool
    pause: PauseView | None
    upstreams: list[UpstreamView]
    unavailable: list[UnavailableView]
    versions: list[VersionView] = []
    """The newest first, by the first time that a worker brought it; new jobs are judged by the first."""


class CatalogueStore(Protocol):
    """Where the catalogue is read from."""

    async def tasks(self) -> Sequence[Mapping[str, Any]]:
        """Return every task any worker has ever told of."""

    async def upstreams(self) -> Sequence[UpstreamView]:
        """Return others' services that tasks have called, the most telling first."""

    async def unavailable(self) -> Sequence[tuple[str, UnavailableView]]:
        """Return the tasks, or what should be tasks, that a live worker cannot run now."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One task: what to show of it and how to judge a payload."""

    view: TaskView
    max_attempts: int
    timeout: float
    judge: Judge
    digest: str | None = None
    """The version that judges."""

    def errors(self, payload: Any) -> list[FieldError]:
        """Return the first things that are wrong with the payload; none if it is what the task takes."""
        return self.judge.errors(payload, under=("payload",))


class Catalogue:
    """The tasks by name, as fresh as two seconds; a part of the service that reads them while it lives."""

    def __init__(self, *, store: CatalogueStore, refresh: timedelta = REFRESH) -> None:
        self._store = store
        self._refresh = refresh
        self._entries: dict[str, CatalogueEntry] = {}
        self._unloadable: dict[str, TaskView] = {}
        """What no worker could ever load, by the name of its entry point."""
        self._schemas: dict[str, tuple[str, Judge]] = {}
        self._loaded = False
        self._last = 0.0
        self._lock = asyncio.Lock()
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Catalogue":
        self._runner = asyncio.create_task(self._keep_fresh(), name="catalogue")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            self._runner.cancel()

    async def views(self) -> list[TaskView]:
        """Return all tasks by name; `Problem` if they could never be read."""
        # An empty catalogue is that of a product that just starts: what is known of it is old at once.
        if not self._entries:
            await self._look_again()
        views = {**self._unloadable, **{name: entry.view for name, entry in self._entries.items()}}
        return [views[name] for name in sorted(views)]

    async def fresh_view(self, name: str) -> TaskView | None:
        """Return a task as it is stored now."""
        await self._look_again()
        entry = self._entries.get(name)
        return entry.view if entry else None

    async def task(self, name: str) -> CatalogueEntry:
        """Return the task of this name, after another look if it is not known yet.

        Raises
        ------
        Problem
            No worker knows it (the nearest names are in the text), or nobody could be asked.
        """
        if (entry := self._entries.get(name)) is not None:
            return entry
        await self._look_again()
        if (entry := self._entries.get(name)) is not None:
            return entry
        if not self._loaded:
            raise unavailable("the catalogue of tasks has not been read yet")
        raise self.unknown(name)

    async def those(self, names: Collection[str]) -> dict[str, CatalogueEntry]:
        """Return those of these tasks that there are, after one more look if one is missing."""
        if not self._entries.keys() >= set(names):
            await self._look_again()
        if names and not self._loaded:
            raise unavailable("the catalogue of tasks has not been read yet")
        return {name: entry for name in names if (entry := self._entries.get(name)) is not None}

    def unknown(self, name: str) -> Problem:
        """Return the problem of a task that no worker knows; to find the nearest names takes its time."""
        near = (
            difflib.get_close_matches(name[:100], self._entries, n=3, cutoff=0.5)
            or sorted(self._entries)[:10]
        )
        names = ", ".join(near) or "none: no worker has started yet"
        detail = f"no task {name[:100]!r}; the nearest: {names}"
        if (broken := self._unloadable.get(name)) is not None:
            detail = f"no worker can load {name[:100]!r}: {broken.unavailable[0].error}"
        return Problem(UNKNOWN_TASK, detail, errors=[FieldError("/task", detail)])

    async def _look_again(self) -> None:
        """Load what is at least as new as this call; those who ask meanwhile share one look."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._lock:
            if self._last >= asked:
                return
            # A client that asks for nonsense must not become a load on the database.
            await asyncio.sleep(self._last + _SELDOM.total_seconds() - clock())
            await self._load()

    async def _keep_fresh(self) -> None:
        while True:
            try:
                async with asyncio.timeout(5):
                    await self._load()
            except Exception as error:  # noqa: BLE001  whatever it is, what is known stays known
                log.warning(
                    "catalogue.not_read", extra={"reason": f"{type(error).__name__}: {str(error)[:200]}"}
                )
            await asyncio.sleep(self._refresh.total_seconds())

    async def _load(self) -> None:
        began = asyncio.get_running_loop().time()
        stored, upstreams, troubles = await asyncio.gather(
            self._store.tasks(), self._store.upstreams(), self._store.unavailable()
        )
        unavailable: defaultdict[str, list[UnavailableView]] = defaultdict(list)
        for task, view in troubles:
            unavailable[task].append(view)
        called: defaultdict[str, list[UpstreamView]] = defaultdict(list)
        for upstream in upstreams:
            for task in upstream.tasks:
                called[task].append(upstream)
        entries: dict[str, CatalogueEntry] = {}
        for doc in stored:
            try:
                entries[doc["_id"]] = self._entry(
                    doc, called[doc["_id"]][:UPSTREAMS_SHOWN], unavailable[doc["_id"]]
                )
            except _BAD_TASK as error:
                log.error("catalogue.bad_task", extra={"task": doc.get("_id"), "reason": str(error)[:200]})
        if began >= self._last:  # of two looks at once the later one counts
            self._entries, self._loaded = entries, True
            self._unloadable = {
                name: _unloadable(name, views) for name, views in unavailable.items() if name not in entries
            }
            self._last = began

    def _entry(
        self, doc: Mapping[str, Any], upstreams: list[UpstreamView], unavailable: list[UnavailableView]
    ) -> CatalogueEntry:
        versions = newest_first(doc)
        # What an old worker has written has no versions.
        newest = doc["versions"][versions[0].digest] if versions else doc
        name, schema, options = str(doc["_id"]), str(newest["payload_schema"]), newest["options"]
        view = TaskView(
            name=name,
            description=newest.get("description", ""),
            payload_schema=Raw(schema.encode()),
            result_schema=Raw(str(newest["result_schema"]).encode()),
            options=options,
            versions=versions,
            paused="paused" in doc,
            pause=pause_of(doc["paused"]) if "paused" in doc else None,
            upstreams=upstreams,
            unavailable=unavailable,
        )
        return CatalogueEntry(
            view=view,
            max_attempts=int(options["max_attempts"]),
            timeout=float(options["timeout"]),
            judge=self._judge(name, schema),
            digest=versions[0].digest if versions else None,
        )

    def _judge(self, name: str, schema: str) -> Judge:
        # Compiling takes long enough not to be done again every two seconds.
        known = self._schemas.get(name)
        if known is None or known[0] != schema:
            known = (schema, Judge(msgspec.json.decode(schema)))
            self._schemas[name] = known
        return known[1]


def newest_first(task: Mapping[str, Any]) -> list[VersionView]:
    """Return the versions of a task that live workers have, the one that was seen first last.

    So an old worker that starts anew judges nothing, and one that stays alone does. Without any live worker
    it is the version that was started last.
    """
    stored: Mapping[str, Any] = task.get("versions", {})
    workers: Mapping[str, list[str]] = task.get("workers", {})
    live = {digest: version for digest, version in stored.items() if workers.get(digest)}
    if not live and stored:
        last = max(stored, key=lambda digest: stored[digest]["seen_at"])
        live = {last: stored[last]}
    return [
        VersionView(
            digest=digest, first_seen=live[digest]["first_seen"], workers=list(workers.get(digest, ()))
        )
        for digest in sorted(live, key=lambda digest: (live[digest]["first_seen"], digest), reverse=True)
    ]


def _unloadable(name: str, unavailable: list[UnavailableView]) -> TaskView:
    return TaskView(
        name=name,
        description="",
        payload_schema=Raw(b"{}"),
        result_schema=Raw(b"{}"),
        options={},
        paused=False,
        pause=None,
        upstreams=[],
        unavailable=unavailable,
    )


def pause_of(doc: Mapping[str, Any]) -> PauseView:
    """Return a stored pause as the API shows it."""
    return PauseView(at=doc["at"], by=doc["by"], reason=doc.get("reason"))

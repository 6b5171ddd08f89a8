"""Reads the catalogue in MongoDB and keeps the pauses in it; translates and decides nothing."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec

from api.catalogue import UnavailableView
from api.legible import Legible
from job_contracts.record import NOW, Collection, literal
from job_contracts.upstreams import CLOSED, UpstreamView, upstream_view
from job_contracts.views import Record
from service_chassis.mongo import Mongo

_PERSON = "person"
_WORKERS = 20
"""Shown at most: equal workers have equal troubles."""
_BUDGET_MS = 2_000
_MOST_TASKS = 1_000
_MOST_WORKERS = 1_000
_MOST_UPSTREAMS = 1_000
"""Read at most: a task that calls hosts of all the world has very many."""
_STATE = {"tasks": 1, "quota": 1, "circuit": 1}


class MongoTaskStore:
    """What the workers have written of their tasks, and which of them are paused."""

    def __init__(self, mongo: Mongo, *, legible: Legible | None = None) -> None:
        self._mongo = mongo
        self._legible = legible or Legible()

    @property
    def _tasks(self) -> Any:
        return self._mongo.collection(Collection.TASKS)

    async def tasks(self) -> list[Record]:
        """Return the catalogue, with the live workers of each version of a task."""
        living = self._mongo.collection(Collection.WORKERS).find(
            {"$expr": {"$gt": ["$alive_until", NOW]}}, {"versions": 1}
        )
        found, workers = await asyncio.gather(
            self._tasks.find({}).limit(_MOST_TASKS).max_time_ms(_BUDGET_MS).to_list(None),
            living.sort("_id", 1).limit(_MOST_WORKERS).max_time_ms(_BUDGET_MS).to_list(None),
        )
        having: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for worker, versions in self._legible.shown(workers, _versions, of="workers"):
            for task, digest in versions:
                having[task][digest].append(worker)
        return [{**task, "workers": having[task["_id"]]} for task in found]

    async def upstreams(self) -> list[UpstreamView]:
        """Return others' services that tasks have called, those first that are not called now."""
        found = await (
            self._mongo.collection(Collection.UPSTREAMS)
            .find({}, {"now": NOW, **_STATE})
            .limit(_MOST_UPSTREAMS)
            .max_time_ms(_BUDGET_MS)
            .to_list(None)
        )
        called = [stored for stored in found if stored.get("tasks")]
        views = self._legible.shown(called, _upstream, of="upstreams")
        return sorted(views, key=lambda view: (view.breaker.state == CLOSED, view.name))

    async def unavailable(self) -> list[tuple[str, UnavailableView]]:
        """Return the tasks, or what should be tasks, that a live worker cannot run now."""
        query = {"unavailable.0": {"$exists": True}, "$expr": {"$gt": ["$alive_until", NOW]}}
        fields = {"host": 1, "unavailable": 1}
        workers = self._mongo.collection(Collection.WORKERS).find(query, fields).max_time_ms(_BUDGET_MS)
        told = self._legible.shown(await workers.to_list(_WORKERS), _troubles, of="workers")
        return [trouble for troubles in told for trouble in troubles]

    async def pause(self, name: str, *, reason: str | None) -> bool:
        """Pause a task by a person's wish, whoever has paused it before; false if there is no such task."""
        by_person = {"$eq": ["$paused.by", _PERSON]}
        pause: dict[str, Any] = {"at": {"$cond": [by_person, "$paused.at", NOW]}, "by": _PERSON}
        if reason is not None:
            pause["reason"] = literal(reason)
        # An expression replaces the field; a plain document would be merged into what the brake has written there.
        return await self._update(name, {"$set": {"paused": {"$mergeObjects": [pause]}}})

    async def resume(self, name: str) -> bool:
        """Let a task go on, whoever has paused it; false if there is no such task."""
        return await self._update(name, {"$unset": "paused"})

    async def _update(self, name: str, stage: dict[str, Any]) -> bool:
        done = await self._tasks.update_one({"_id": name}, [stage])
        return bool(done.matched_count)


def _versions(worker: Record) -> tuple[str, list[tuple[str, str]]]:
    split = [version.rpartition("@") for version in worker.get("versions", ())]
    return worker["_id"], [(task, digest) for task, _, digest in split]


def _upstream(stored: Record) -> UpstreamView:
    # The fields are foreign: what is no name, or names no tasks, would be found out in the midst of sorting.
    return msgspec.convert(
        msgspec.to_builtins(upstream_view(stored, stored["now"]), builtin_types=(datetime,)), UpstreamView
    )


def _troubles(worker: Record) -> list[tuple[str, UnavailableView]]:
    return [
        (
            told["task"],
            UnavailableView(worker=worker["_id"], host=worker["host"], at=told["at"], error=told["error"]),
        )
        for told in worker["unavailable"]
    ]

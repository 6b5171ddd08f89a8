"""Who may do what, as data: what each service needs to work, and nothing beyond it.

A credential that is stolen is worth what stands here: with the api's, for one, nobody can claim that a job has
succeeded, for it may not write to `results`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from job_contracts.indexes import INDEXES
from job_contracts.record import Collection
from job_contracts.topics import Group, Topic


class Service(StrEnum):
    """Who has a user of its own; the name is that of the user as well."""

    API = "api"
    JOB_WORKER = "job-worker"
    RESULT_WORKER = "result-worker"
    DLQ_WORKER = "dlq-worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one service may do. To read or to write includes to describe."""

    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    looks_at: tuple[Topic, ...] = ()
    """Topics of which it may know the ends, for lag."""
    joins: tuple[Group, ...] = ()
    follows: tuple[Group, ...] = ()
    """Groups of which it may know the offsets."""
    collections: Mapping[Collection, tuple[str, ...]] = field(default_factory=dict)
    """MongoDB's actions by collection."""


RIGHTS: Final[Mapping[Service, Rights]] = {
    Service.API: Rights(
        reads=(Topic.JOB_EVENTS,),
        writes=(Topic.JOBS, Topic.JOB_EVENTS),
        looks_at=(Topic.RESULTS, Topic.DEAD_LETTER),
        follows=tuple(Group),
        collections={
            Collection.JOBS: ("find", "insert", "update", "remove"),
            Collection.RESULTS: ("find", "remove"),
            Collection.DEAD_LETTERS: ("find", "update"),
            Collection.WORKERS: ("find",),
            Collection.TASKS: ("find", "insert", "update"),
            Collection.BATCHES: ("find", "insert", "update"),
            Collection.MINUTES: ("find",),
            Collection.IMAGES: ("find",),
            Collection.UPSTREAMS: ("find",),
        },
    ),
    Service.JOB_WORKER: Rights(
        reads=(Topic.JOBS,),
        writes=tuple(Topic),
        joins=(Group.JOB_WORKER,),
        follows=(Group.RESULT_WORKER, Group.DLQ_WORKER),
        collections={
            Collection.JOBS: ("find", "insert", "update"),
            Collection.RESULTS: ("find",),
            Collection.WORKERS: ("find", "insert", "update", "remove"),
            Collection.LEASES: ("find", "insert", "update", "remove"),
            Collection.TASKS: ("find", "insert", "update"),
            Collection.UPSTREAMS: ("find", "insert", "update"),
            Collection.ANSWERS: ("find", "insert", "update"),
            Collection.IMAGES: ("find", "insert", "update", "remove"),
            Collection.IMAGE_SOURCES: ("find", "insert", "update"),
        },
    ),
    Service.RESULT_WORKER: Rights(
        reads=(Topic.RESULTS,),
        writes=(Topic.DEAD_LETTER, Topic.JOB_EVENTS),
        joins=(Group.RESULT_WORKER,),
        collections={
            Collection.JOBS: ("find", "update"),
            Collection.RESULTS: ("find", "insert"),
            Collection.MINUTES: ("find", "insert", "update"),
        },
    ),
    Service.DLQ_WORKER: Rights(
        reads=(Topic.DEAD_LETTER,),
        writes=(Topic.JOB_EVENTS,),
        joins=(Group.DLQ_WORKER,),
        collections={
            Collection.JOBS: ("find", "update"),
            Collection.DEAD_LETTERS: ("find", "insert"),
            Collection.MINUTES: ("find", "insert", "update"),
        },
    ),
}
"""The whole table. ARCHITECTURE.md says why each service writes where it does."""

INDEXING: Final = ("createCollection", "createIndex", "listIndexes")
"""Every service makes the indexes that are missing, whichever starts first."""


def privileges(rights: Rights) -> Mapping[str, tuple[str, ...]]:
    """Return the actions of a service by collection, those for indexes included."""
    names = {*map(str, INDEXES), *map(str, rights.collections)}
    granted = {str(name): actions for name, actions in rights.collections.items()}
    indexed = set(map(str, INDEXES))
    return {
        name: (*granted.get(name, ()), *(INDEXING if name in indexed else ("createCollection",)))
        for name in sorted(names)
    }

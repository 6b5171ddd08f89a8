"""Every index, declared in one place; services create and verify them at start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from job_contracts.lifecycle import LIVE, JobState, WaitReason
from job_contracts.record import Collection


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """One index: keys with 1 or -1, and the options MongoDB takes."""

    name: str
    keys: Sequence[tuple[str, int]]
    options: Mapping[str, Any] = field(default_factory=dict)


_EXISTS: Final = {"$exists": True}
_TTL: Final = IndexSpec("expiry", [("expire_at", 1)], {"expireAfterSeconds": 0})
_IDEMPOTENCY_KEY: Final = IndexSpec(
    "idempotency_key",
    [("owner", 1), ("idempotency.key", 1)],
    {"unique": True, "partialFilterExpression": {"idempotency.key": _EXISTS}},
)

# Partial wherever the field comes and goes: one on a field that moves with the state costs
# mongod about 10 µs a move.
INDEXES: Final[Mapping[str, Sequence[IndexSpec]]] = {
    Collection.JOBS: (
        IndexSpec("wake_at", [("wake_at", 1)], {"partialFilterExpression": {"wake_at": _EXISTS}}),
        IndexSpec("worker", [("worker", 1)], {"partialFilterExpression": {"worker": _EXISTS}}),
        # What waits for something else than time, looked for by the dispatcher.
        IndexSpec(
            "paused",
            [("reason", 1), ("task", 1), ("_id", 1)],
            {"partialFilterExpression": {"reason": str(WaitReason.PAUSED)}},
        ),
        # The owner as well: what each of them has waiting is counted from the index alone.
        IndexSpec(
            "no_worker",
            [("reason", 1), ("task", 1), ("_id", 1), ("owner", 1)],
            {"partialFilterExpression": {"reason": str(WaitReason.NO_WORKER)}},
        ),
        IndexSpec(
            "low_priority",
            [("reason", 1), ("_id", 1)],
            {"partialFilterExpression": {"reason": str(WaitReason.LOW_PRIORITY)}},
        ),
        # Pending jobs that were still there when Kafka had acknowledged their message: those that queue.
        IndexSpec(
            "queued", [("priority", 1), ("_id", 1)], {"partialFilterExpression": {"publishes": _EXISTS}}
        ),
        IndexSpec("by_owner", [("owner", 1), ("_id", 1)]),
        # A rare state of a common task, and the reverse, is found without a look at the others. The one index that
        # moves with the state of every job: jobs of a state and any task are merged from one walk for each task.
        IndexSpec("by_task_and_state", [("owner", 1), ("task", 1), ("state", 1), ("_id", 1)]),
        IndexSpec(
            "by_tag", [("owner", 1), ("tags", 1), ("_id", 1)], {"partialFilterExpression": {"tags": _EXISTS}}
        ),
        IndexSpec("by_batch", [("batch", 1), ("_id", 1)], {"partialFilterExpression": {"batch": _EXISTS}}),
        IndexSpec(
            "by_unique_key",
            [("owner", 1), ("unique_key", 1), ("_id", 1)],
            {"partialFilterExpression": {"unique_key": _EXISTS}},
        ),
        IndexSpec(
            "by_error",
            [("owner", 1), ("error.type", 1), ("_id", 1)],
            {"partialFilterExpression": {"state": str(JobState.FAILED)}},
        ),
        _IDEMPOTENCY_KEY,
        IndexSpec(
            "unique_key",
            [("owner", 1), ("unique_key", 1)],
            {
                "unique": True,
                "partialFilterExpression": {
                    "state": {"$in": sorted(map(str, LIVE))},
                    "unique_key": _EXISTS,
                },
            },
        ),
        _TTL,
    ),
    Collection.RESULTS: (_TTL,),
    Collection.DEAD_LETTERS: (
        IndexSpec("newest", [("created_at", -1), ("_id", -1)]),
        IndexSpec("by_kind", [("kind", 1), ("created_at", -1), ("_id", -1)]),
        IndexSpec("by_task", [("task", 1), ("created_at", -1), ("_id", -1)]),
        IndexSpec("by_error", [("error.type", 1), ("created_at", -1), ("_id", -1)]),
        IndexSpec("by_job", [("job", 1)], {"partialFilterExpression": {"job": _EXISTS}}),
        # Holds all that the groups of letters are counted from, so that no letter is fetched for it.
        IndexSpec("groups", [("created_at", -1), ("task", 1), ("kind", 1), ("error.type", 1)]),
        _TTL,
    ),
    Collection.WORKERS: (_TTL,),
    Collection.MINUTES: (_TTL,),
    Collection.BATCHES: (_IDEMPOTENCY_KEY, _TTL),
    Collection.UPSTREAMS: (_TTL,),
    Collection.ANSWERS: (_TTL,),
    # Looked through for what nobody needs any more; no TTL index, for the bytes may lie elsewhere.
    Collection.IMAGES: (IndexSpec("kept_until", [("kept_until", 1)]),),
    Collection.IMAGE_SOURCES: (_TTL,),
}
"""Indexes by collection."""

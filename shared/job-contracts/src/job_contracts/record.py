"""The record of a job and the guarded moves of services, as data: filters and updates, no driver.

Every move compares and sets: its filter names the version and the state it leaves, its
update is a pipeline that sets version + 1, so a late, repeated or forged message matches
nothing. Time is MongoDB's own (`$$NOW`) wherever two machines compare it. Foreign text
stands in `$literal`, or a leading `$` would make it a field path.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from job_contracts.lifecycle import MOVES, ErrorKind, JobState, WaitReason
from job_contracts.messages import ErrorInfo

Filter = dict[str, Any]
Pipeline = list[dict[str, Any]]

ATTEMPTS_KEPT: Final = 100
"""History of attempts in the record: as many as one series may have."""

GRACE: Final = timedelta(seconds=5)
"""How long a pending job may wait for its message before the dispatcher publishes it again."""

FAR_OUT: Final = timedelta(minutes=10)
"""`wake_at` of a pending job whose message Kafka has acknowledged: a backlog is not published twice."""

LETTER_CHECK: Final = timedelta(seconds=30)
"""After a dead letter was sent for a job that still runs by the record: when to send it again."""

RUNNING_MARGIN: Final = timedelta(seconds=30)
"""Beyond its timeout a running job may take this long to be recorded before it is reaped."""

STRAY_MARGIN: Final = timedelta(days=7)
"""Results and dead letters outlive their job by this much."""

INLINE_LIMIT: Final = 64 * 1024
"""Largest result, in bytes of JSON, that stands inside a view."""

RESULT_LIMIT: Final = 512 * 1024
"""Largest result a job may have, in bytes of JSON."""

EMPTY_RESULTS: Final = frozenset({"{}", "[]", "null"})
"""Results that say nothing: they stand in the record, for a document of its own costs as much as a move."""

NOW: Final = "$$NOW"

PARKED: Final = timedelta(days=1)
"""`wake_at` of a job that waits for something else than time: the dispatcher looks for those by their reason."""

LOGS_KEPT: Final = 100
"""Lines of a job's log."""

HISTORY: Final = ("attempts", "logs")
"""Fields that only those who show the history of a job need to read."""


OF_STATE: Final[Mapping[str, frozenset[JobState]]] = {
    "publishes": frozenset({JobState.PENDING}),
    "reason": frozenset({JobState.WAITING}),
    "worker": frozenset({JobState.RUNNING}),
    "claim": frozenset({JobState.RUNNING}),
}
"""Fields that only jobs in these states have: jobs are found by them, so none may be left behind."""


class Collection(StrEnum):
    """The collections of the service."""

    JOBS = "jobs"
    RESULTS = "results"
    DEAD_LETTERS = "dead_letters"
    WORKERS = "workers"
    LEASES = "leases"
    TASKS = "tasks"
    MINUTES = "minutes"
    BATCHES = "batches"
    IMAGES = "images"
    UPSTREAMS = "upstreams"
    ANSWERS = "answers"
    IMAGE_SOURCES = "image_sources"


class GuardedMove(NamedTuple):
    """A filter that names what must still hold, and the update that makes the move."""

    filter: Filter
    update: Pipeline


def after(wait: timedelta) -> dict[str, Any]:
    """Return MongoDB's now plus `wait`, as an expression.

    >>> after(timedelta(seconds=2))
    {'$add': ['$$NOW', 2000]}
    """
    return {"$add": [NOW, round(wait / timedelta(milliseconds=1))]}


def literal(value: object) -> dict[str, Any]:
    """Return foreign `value` as a constant that no pipeline interprets."""
    return {"$literal": value}


def _guard(move: str, ids: Sequence[str], version: int) -> Filter:
    sources = [str(state) for state in JobState if state in MOVES[move].sources]
    which = ids[0] if len(ids) == 1 else {"$in": list(ids)}
    return {"_id": which, "version": version, "state": sources[0] if len(sources) == 1 else {"$in": sources}}


def _set(move: str, version: int, fields: dict[str, Any]) -> dict[str, Any]:
    target = str(MOVES[move].target)
    return {"$set": {"state": target, "version": version + 1, "revision": 0, "updated_at": NOW, **fields}}


def leaves(move: str) -> list[str]:
    """Return the fields that a job loses by this move: those of a state it may leave that its target does not have.

    >>> leaves("claim")
    ['publishes']
    """
    sources, target = MOVES[move].sources, MOVES[move].target
    return [field for field, states in OF_STATE.items() if target not in states and sources & states]


def _update(move: str, version: int, fields: dict[str, Any], *gone: str) -> Pipeline:
    unset = [*leaves(move), *gone]
    return [_set(move, version, fields), *([{"$unset": unset}] if unset else [])]


def _close_attempt(outcome: str, error: ErrorInfo | None = None) -> dict[str, Any]:
    """Append the attempt that ends now to the history; the running one stands in the record's own fields."""
    entry: dict[str, Any] = {
        "attempt": {"$add": ["$failures", 1]},
        "worker": "$worker",
        "started_at": "$started_at",
        "finished_at": NOW,
        "outcome": outcome,
    }
    if error is not None:
        entry["error"] = error_doc(error)
    return {"$slice": [{"$concatArrays": [{"$ifNull": ["$attempts", []]}, [entry]]}, -ATTEMPTS_KEPT]}


def error_doc(error: ErrorInfo, kind: ErrorKind | None = None) -> dict[str, Any]:
    """Return the error as stored in a pipeline: foreign text is literal."""
    doc: dict[str, Any] = {"type": literal(error.type), "message": literal(error.message)}
    if kind is not None:
        doc["kind"] = str(kind)
    return doc


def claim(ids: Sequence[str], version: int, *, worker: str, token: str) -> GuardedMove:
    """Pending → running under the worker's lease; `token` tells which of a group were got."""
    timeout_ms = {"$multiply": ["$timeout", 1000]}
    margin_ms = round(RUNNING_MARGIN / timedelta(milliseconds=1))
    fields = {
        "worker": literal(worker),
        "claim": literal(token),
        "started_at": NOW,
        # Of a pending job `updated_at` is when it became so. It may have been inserted by a clock ahead of this one.
        "waited": {"$max": [0, {"$subtract": [NOW, "$updated_at"]}]},
        "wake_at": {"$add": [NOW, timeout_ms, margin_ms]},
    }
    return GuardedMove(_guard("claim", ids, version), _update("claim", version, fields, "error", "progress"))


def release(ids: Sequence[str], version: int) -> GuardedMove:
    """Waiting → pending: what it waited for has come; the message goes out next."""
    return GuardedMove(
        _guard("release", ids, version), _update("release", version, {"wake_at": pending_wake()})
    )


def park(ids: Sequence[str], version: int) -> GuardedMove:
    """Pending or waiting → waiting: the task is paused."""
    fields = {"reason": str(WaitReason.PAUSED), "wake_at": parked_wake()}
    return GuardedMove(_guard("park", ids, version), _update("park", version, fields))


def await_worker(ids: Sequence[str], version: int) -> GuardedMove:
    """Pending or waiting → waiting: no live worker runs the task."""
    fields = {"reason": str(WaitReason.NO_WORKER), "wake_at": parked_wake()}
    return GuardedMove(_guard("await_worker", ids, version), _update("await_worker", version, fields))


def defer(ids: Sequence[str], version: int) -> GuardedMove:
    """Waiting for its time → waiting for its turn: a due job of low priority."""
    fields = {"reason": str(WaitReason.LOW_PRIORITY), "wake_at": parked_wake()}
    return GuardedMove(_guard("defer", ids, version), _update("defer", version, fields))


def retry(
    job_id: str, version: int, *, wait: timedelta, error: ErrorInfo, outcome: str = "failed"
) -> GuardedMove:
    """Running → waiting after a failed attempt that another may cure."""
    fields = {
        "reason": str(WaitReason.RETRY),
        "failures": {"$add": ["$failures", 1]},
        "attempts": _close_attempt(outcome, error),
        "error": error_doc(error),
        "wake_at": not_after_expiry(after(wait)),
    }
    return _leave_running("retry", job_id, version, fields)


def postpone(job_id: str, version: int, *, wait: timedelta) -> GuardedMove:
    """Running → waiting until an upstream takes calls again: no attempt is burnt."""
    fields = {"reason": str(WaitReason.RATE_LIMIT), "wake_at": not_after_expiry(after(wait))}
    return _leave_running("postpone", job_id, version, fields)


def give_back(job_id: str, version: int, *, refused: str | None = None) -> GuardedMove:
    """Running → pending: the worker goes away and the attempt does not count.

    Or its version of the task, `refused`, does not take a payload that another one was asked about: then
    the job goes to a worker of a version that has not refused it, now.
    """
    if refused is None:
        return _leave_running("give_back", job_id, version, {"wake_at": pending_wake()})
    versions = {"$setUnion": [{"$ifNull": ["$refused", []]}, [literal(refused)]]}
    fields = {"wake_at": not_after_expiry({"$add": [NOW, 0]}), "refused": versions}
    return _leave_running("give_back", job_id, version, fields)


def _leave_running(move: str, job_id: str, version: int, fields: dict[str, Any]) -> GuardedMove:
    # Whoever asked for a cancel must get it: such a job leaves running by `stop` only.
    guard = _guard(move, [job_id], version) | {"cancel_requested": {"$ne": True}}
    return GuardedMove(guard, _update(move, version, fields, "progress"))


def stop(job_id: str, version: int, *, retention: timedelta) -> GuardedMove:
    """Running → cancelled: the worker has ended the task, or is dead."""
    fields = {
        "attempts": _close_attempt("cancelled"),
        # The number of an attempt is `failures` + 1 while it runs: the stopped one stays counted.
        "failures": {"$add": ["$failures", 1]},
        "finished_at": NOW,
        "expire_at": after(retention),
    }
    guard = _guard("stop", [job_id], version) | {"cancel_requested": True}
    return GuardedMove(guard, _update("stop", version, fields, "wake_at"))


def succeed(
    ids: Sequence[str], version: int, *, retention: timedelta, token: str, result: str | None = None
) -> GuardedMove:
    """Running → succeeded; the results were stored before. `token` tells which jobs this very move has ended.

    A `result` that is given is that of all of them, and is stored with the move itself.
    """
    fields = {
        "ended_by": literal(token),
        **({"has_result": True} if result is None else {"result": literal(result)}),
        "attempts": _close_attempt("succeeded"),
        "finished_at": NOW,
        "expire_at": after(retention),
    }
    return GuardedMove(
        _guard("succeed", ids, version), _update("succeed", version, fields, "wake_at", "error")
    )


def fail(
    ids: Sequence[str],
    version: int,
    *,
    kind: ErrorKind,
    error: ErrorInfo,
    retention: timedelta,
    token: str,
) -> GuardedMove:
    """Running → failed; the letters were stored before. `token` as in `succeed`."""
    attempt = {"attempts": _close_attempt(str(kind), error), "failures": {"$add": ["$failures", 1]}}
    fields = attempt | _failed(kind, error, retention=retention, token=token)
    return GuardedMove(_guard("fail", ids, version), _update("fail", version, fields, "wake_at", "progress"))


def fail_expired(
    ids: Sequence[str], version: int, *, error: ErrorInfo, retention: timedelta, token: str
) -> GuardedMove:
    """Pending or waiting → failed, if it has expired by MongoDB's clock, whatever the letter says."""
    fields = _failed(ErrorKind.EXPIRED, error, retention=retention, token=token)
    return GuardedMove(
        _guard("fail_expired", ids, version) | expired(), _update("fail_expired", version, fields, "wake_at")
    )


def _failed(kind: ErrorKind, error: ErrorInfo, *, retention: timedelta, token: str) -> dict[str, Any]:
    return {
        "ended_by": literal(token),
        "error": error_doc(error, kind),
        "finished_at": NOW,
        "expire_at": after(retention),
    }


def pending_wake() -> dict[str, Any]:
    """When somebody must look whether the message of a pending job went out."""
    return not_after_expiry(after(GRACE))


def parked_wake() -> dict[str, Any]:
    """When a job that waits for something else than time is looked at in any case."""
    return not_after_expiry(after(PARKED))


def not_after_expiry(when: dict[str, Any]) -> dict[str, Any]:
    """Return the moment, or that of the job's expiry if it comes first."""
    return {"$min": [when, {"$ifNull": ["$expire_by", when]}]}


def expired() -> Filter:
    """Jobs whose `expire_by` has passed; to MongoDB, a field that is not there would be less than any moment."""
    return {"expire_by": {"$exists": True}, "$expr": {"$lte": ["$expire_by", NOW]}}


def due() -> Filter:
    """Jobs whose `wake_at` has come; repeats the partial index's condition, or it would not be used."""
    return {"wake_at": {"$exists": True}, "$expr": {"$lte": ["$wake_at", NOW]}}

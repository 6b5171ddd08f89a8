"""Updates that leave state and version alone.

The version cannot fence them, so each that could do harm repeats the `wake_at` it saw: any
bump in between makes it match nothing (docs/protocol.md, 6).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from job_contracts.lifecycle import MOVES, JobState
from job_contracts.record import (
    FAR_OUT,
    LETTER_CHECK,
    LOGS_KEPT,
    NOW,
    RUNNING_MARGIN,
    Filter,
    GuardedMove,
    after,
    due,
    expired,
    literal,
    not_after_expiry,
    pending_wake,
)


def far_out(ids: Sequence[str], version: int, *, wake_at: object) -> GuardedMove:
    """Kafka has acknowledged the message of these pending jobs, whose `wake_at` is exactly the given one.

    Each time twice as far, up to 32 times `FAR_OUT`: the longer a backlog, the rarer its repeats.
    """
    doublings = {"$min": [{"$ifNull": ["$publishes", 0]}, 5]}
    far_ms = round(FAR_OUT / timedelta(milliseconds=1))
    wake = {"$add": [NOW, {"$multiply": [far_ms, {"$pow": [2, doublings]}]}]}
    guard = {
        "_id": {"$in": list(ids)},
        "version": version,
        "state": str(JobState.PENDING),
        "wake_at": wake_at,
    }
    fields = {"wake_at": not_after_expiry(wake), "publishes": {"$add": [{"$ifNull": ["$publishes", 0]}, 1]}}
    return GuardedMove(guard, [{"$set": fields}])


def republish(ids: Sequence[str], version: int) -> GuardedMove:
    """A pending job is overdue: take it for publishing again, so that no second dispatcher does."""
    guard = {"_id": {"$in": list(ids)}, "version": version, "state": str(JobState.PENDING), **due()}
    return GuardedMove(guard, [{"$set": {"wake_at": pending_wake()}}])


def hand_over(ids: Sequence[str], version: int) -> GuardedMove:
    """A worker without a slot, or without the task: the dispatcher shall publish it elsewhere, now."""
    guard = {"_id": {"$in": list(ids)}, "version": version, "state": str(JobState.PENDING)}
    return GuardedMove(guard, [{"$set": {"wake_at": NOW}}])


def keep_pending(ids: Sequence[str], version: int, *, wait: timedelta) -> GuardedMove:
    """A worker has no place for these pending jobs yet: nobody publishes them again before."""
    guard = {"_id": {"$in": list(ids)}, "version": version, "state": str(JobState.PENDING)}
    return GuardedMove(guard, [{"$set": {"wake_at": not_after_expiry(after(wait))}}])


def hold_outcome(ids: Sequence[str], version: int, *, wait: timedelta = RUNNING_MARGIN) -> GuardedMove:
    """An outcome exists, or may exist, that is not recorded yet: nobody shall reap the job meanwhile."""
    guard = {"_id": {"$in": list(ids)}, "version": version, "state": str(JobState.RUNNING)}
    return GuardedMove(guard, [{"$set": {"wake_at": {"$max": ["$wake_at", after(wait)]}}}])


def set_aside(job_id: str, version: int) -> GuardedMove:
    """A record that no step of the dispatcher can handle: later again.

    If the step has moved it before it failed, or somebody else has, it is another record, and the next look finds it.
    """
    guard: Filter = {"_id": job_id, "version": version, "wake_at": {"$exists": True}}
    return GuardedMove(guard, [{"$set": {"wake_at": {"$max": ["$wake_at", after(FAR_OUT)]}}}])


def take_over(job_id: str, version: int, *, worker: str | None, wake_at: object) -> GuardedMove:
    """Before the letter of a stalled job goes out: one dispatcher judges, a lost letter is sent again."""
    guard: Filter = {
        "_id": job_id,
        "version": version,
        "state": str(JobState.RUNNING),
        "wake_at": wake_at,
        "cancel_requested": {"$ne": True},
        "worker": worker if worker is not None else {"$exists": False},
    }
    return GuardedMove(guard, [{"$set": {"wake_at": after(LETTER_CHECK)}}, {"$unset": ["worker"]}])


def progress(job_id: str, version: int, *, percent: float, message: str | None) -> GuardedMove:
    """Note how far the running attempt is: bumps the revision alone."""
    guard = {"_id": job_id, "version": version, "state": str(JobState.RUNNING)}
    fields = {
        "progress": {"percent": percent, "message": literal(message)},
        "revision": {"$add": ["$revision", 1]},
        "updated_at": NOW,
    }
    return GuardedMove(guard, [{"$set": fields}])


def expire(job_id: str, version: int, *, wake_at: object) -> GuardedMove:
    """Before the letter of an expired job goes out: one dispatcher sends it, a lost letter is sent again."""
    guard: Filter = {
        "_id": job_id,
        "version": version,
        "state": {"$in": _UNSTARTED},
        "wake_at": wake_at,
        **expired(),
    }
    return GuardedMove(guard, [{"$set": {"wake_at": after(LETTER_CHECK)}}])


_UNSTARTED: Final = [str(state) for state in JobState if state in MOVES["cancel"].sources]


def append_logs(job_id: str, version: int, lines: Sequence[Mapping[str, Any]]) -> GuardedMove:
    """Add what the running attempt has told to the log of its job; repeated it matches nothing."""
    guard: Filter = {"_id": job_id, "version": version, "state": str(JobState.RUNNING)}
    guard["logs"] = {"$ne": dict(lines[-1])}
    whole = {"$concatArrays": [{"$ifNull": ["$logs", []]}, literal(list(lines))]}
    return GuardedMove(guard, [{"$set": {"logs": {"$slice": [whole, -LOGS_KEPT]}}}])

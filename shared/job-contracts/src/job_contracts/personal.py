"""The moves that people ask for: they name jobs of one owner, not a version that a message carried.

Each compares and sets all the same: its filter names the states the move may leave, so of
two that race at most one matches.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from job_contracts.lifecycle import MOVES, TIMELESS, JobState, WaitReason
from job_contracts.record import (
    GRACE,
    NOW,
    Filter,
    GuardedMove,
    after,
    leaves,
    literal,
    not_after_expiry,
)

LOW: str = "low"
"""The `priority` of a job that yields; a job of normal priority has none."""

_ANEW = [
    "refused",
    "cancel_requested",
    "error",
    "expire_at",
    "expire_by",
    "finished_at",
    "progress",
    "started_at",
]
"""What a new series of attempts does not take over from the old one."""


def cancel(ids: Sequence[str], *, owner: str, retention: timedelta) -> GuardedMove:
    """Pending or waiting → cancelled at once."""
    fields = {"finished_at": NOW, "expire_at": after(retention)}
    gone = {"$unset": ["wake_at", *leaves("cancel")]}
    return GuardedMove(_guard("cancel", ids, owner), [_set("cancel", fields), gone])


def request_cancel(ids: Sequence[str], *, owner: str) -> GuardedMove:
    """Ask the workers of running jobs to stop: not a move, so it bumps the revision alone."""
    revision = {"$cond": [{"$eq": ["$cancel_requested", True]}, "$revision", {"$add": ["$revision", 1]}]}
    fields = {"revision": revision, "cancel_requested": True, "updated_at": NOW}
    return GuardedMove(_guard("stop", ids, owner), [{"$set": fields}])


def redrive(
    ids: Sequence[str],
    *,
    owner: str,
    limit: int | None,
    payload: str | None = None,
    digest: str | None = None,
) -> GuardedMove:
    """Failed → pending with a fresh series of attempts; `limit` redrives at most, or no limit if None."""
    fields: dict[str, Any] = {"wake_at": after(GRACE)}
    if payload is not None:
        fields["payload"] = literal(payload)
    if digest is not None:
        fields["digest"] = literal(digest)
    return _anew("redrive", ids, owner, limit, fields)


def redrive_later(ids: Sequence[str], *, owner: str, limit: int | None, wait: timedelta) -> GuardedMove:
    """Failed → waiting for its turn among many that are redriven at a rate."""
    fields = {"wake_at": after(wait), "reason": str(WaitReason.SCHEDULED)}
    return _anew("redrive_later", ids, owner, limit, fields)


def _anew(
    move: str, ids: Sequence[str], owner: str, limit: int | None, fields: dict[str, Any]
) -> GuardedMove:
    guard = _guard(move, ids, owner)
    if limit is not None:
        guard["redrives"] = {"$lt": limit}
    series = {"failures": 0, "redrives": {"$add": ["$redrives", 1]}}
    return GuardedMove(guard, [_set(move, {**series, **fields}), {"$unset": _ANEW}])


def reschedule(
    job_id: str, *, owner: str, run_at: datetime | None = None, low: bool | None = None
) -> GuardedMove:
    """Waiting → waiting: not before another moment, or with another priority; None leaves it as it is.

    A job that waits for its turn or for the end of a pause, and is given a moment or normal
    priority, waits for that moment, or no longer: should its task still be paused then, it is parked again.
    """
    fields: dict[str, Any] = {}
    gone = []
    if low:
        fields["priority"] = LOW
    elif low is False:
        gone.append("priority")
    its_turn = {"$eq": ["$reason", str(WaitReason.LOW_PRIORITY)]}
    if run_at is not None:
        timeless = {"$in": ["$reason", [str(reason) for reason in sorted(TIMELESS)]]}
        fields["reason"] = {"$cond": [timeless, str(WaitReason.SCHEDULED), "$reason"]}
        fields["wake_at"] = not_after_expiry(literal(run_at))
    elif low is False:
        fields["reason"] = {"$cond": [its_turn, str(WaitReason.SCHEDULED), "$reason"]}
        fields["wake_at"] = {"$cond": [its_turn, NOW, "$wake_at"]}
    update = [_set("reschedule", fields)]
    return GuardedMove(_guard("reschedule", [job_id], owner), [*update, {"$unset": gone}] if gone else update)


def _guard(move: str, ids: Sequence[str], owner: str) -> Filter:
    sources = [str(state) for state in JobState if state in MOVES[move].sources]
    which = ids[0] if len(ids) == 1 else {"$in": list(ids)}
    return {"_id": which, "owner": owner, "state": {"$in": sources}}


def _set(move: str, fields: dict[str, Any]) -> dict[str, Any]:
    version = {"$add": ["$version", 1]}
    target = str(MOVES[move].target)
    return {"$set": {"state": target, "version": version, "revision": 0, "updated_at": NOW, **fields}}

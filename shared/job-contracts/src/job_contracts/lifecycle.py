"""The life of a job as data: its states, the moves between them, and who may make each.

Docs (docs/lifecycle.md) are generated from these tables and tests compare the guarded
moves of `record.py` with them, so a move that is not written here cannot be made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class JobState(StrEnum):
    """Where a job stands. Final states never change again, except `failed` by a redrive."""

    PENDING = "pending"
    """Stored; its message is on the topic `jobs`, or will be."""

    WAITING = "waiting"
    """Not before `wake_at`; the reason says why."""

    RUNNING = "running"
    """A worker holds the lease and is on an attempt."""

    SUCCEEDED = "succeeded"
    """The work ran and its result is stored."""

    FAILED = "failed"
    """Given up; its dead letter is stored."""

    CANCELLED = "cancelled"
    """A person stopped it."""


class WaitReason(StrEnum):
    """Why a waiting job waits."""

    SCHEDULED = "scheduled"
    """Its `run_at` has not come yet."""

    RETRY = "retry"
    """An attempt failed and the back-off has not passed."""

    RATE_LIMIT = "rate_limit"
    """An upstream takes no more for now; no attempt was burnt."""

    LOW_PRIORITY = "low_priority"
    """It yields to jobs of normal priority."""

    PAUSED = "paused"
    """Its task is paused, by a person or by the brake."""

    NO_WORKER = "no_worker"
    """No live worker runs its task."""


TIMELESS: Final = frozenset({WaitReason.LOW_PRIORITY, WaitReason.PAUSED, WaitReason.NO_WORKER})
"""Reasons to wait for something else than time: the dispatcher finds such jobs by their reason."""


class ErrorKind(StrEnum):
    """Why a job failed for good."""

    REJECTED = "rejected"
    """The answer is no: another attempt would be refused as well."""

    EXHAUSTED = "exhausted"
    """Every attempt failed."""

    TIMED_OUT = "timed_out"
    """The last attempt ran longer than its timeout."""

    STALLED = "stalled"
    """The worker of the last attempt died."""

    EXPIRED = "expired"
    """Nobody started it in time."""


class Role(StrEnum):
    """The services that may make a move."""

    API = "api"
    JOB_WORKER = "job-worker"
    DISPATCHER = "dispatcher"
    RESULT_WORKER = "result-worker"
    DLQ_WORKER = "dlq-worker"


FINAL: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
"""States that end a job."""

LIVE: Final = frozenset(set(JobState) - FINAL)
"""States in which somebody must still look at the job, so `wake_at` is set."""


@dataclass(frozen=True, slots=True)
class Move:
    """One legal change of state, always version n → n+1."""

    name: str
    sources: frozenset[JobState]
    target: JobState
    roles: frozenset[Role]
    why: str


def _move(name: str, sources: set[JobState], target: JobState, roles: set[Role], why: str) -> Move:
    return Move(name, frozenset(sources), target, frozenset(roles), why)


_P, _W, _R = JobState.PENDING, JobState.WAITING, JobState.RUNNING
_S, _F, _C = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED

MOVES: Final[Mapping[str, Move]] = MappingProxyType(
    {
        m.name: m
        for m in (
            _move(
                "claim",
                {_P},
                _R,
                {Role.JOB_WORKER},
                "A worker with a free slot takes the job under its lease.",
            ),
            _move(
                "release",
                {_W},
                _P,
                {Role.DISPATCHER},
                "What it waited for has come: its time, its turn, a worker, or the end of a pause.",
            ),
            _move(
                "park",
                {_P, _W},
                _W,
                {Role.JOB_WORKER, Role.DISPATCHER},
                "Its task is paused: wait until it is not; no attempt is burnt.",
            ),
            _move(
                "await_worker",
                {_P, _W},
                _W,
                {Role.DISPATCHER},
                "No live worker runs its task: wait until one does; no attempt is burnt.",
            ),
            _move(
                "defer",
                {_W},
                _W,
                {Role.DISPATCHER},
                "The time of a job of low priority has come: now it yields to the others.",
            ),
            _move("reschedule", {_W}, _W, {Role.API}, "A person changes when it shall run, or its priority."),
            _move(
                "retry",
                {_R},
                _W,
                {Role.JOB_WORKER, Role.DISPATCHER},
                "The attempt failed and another may cure it.",
            ),
            _move("postpone", {_R}, _W, {Role.JOB_WORKER}, "A rate limit: wait, burn no attempt."),
            _move(
                "give_back",
                {_R},
                _P,
                {Role.JOB_WORKER},
                "The worker stops or lost its lease; no attempt is burnt.",
            ),
            _move("succeed", {_R}, _S, {Role.RESULT_WORKER}, "The result is stored."),
            _move("fail", {_R}, _F, {Role.DLQ_WORKER}, "The dead letter is stored."),
            _move(
                "fail_expired",
                {_P, _W},
                _F,
                {Role.DLQ_WORKER},
                "Nobody started it in time, and the dead letter is stored.",
            ),
            _move("cancel", {_P, _W}, _C, {Role.API}, "A person stopped it before it ran."),
            _move("stop", {_R}, _C, {Role.JOB_WORKER, Role.DISPATCHER}, "A person stopped it while it ran."),
            _move("redrive", {_F}, _P, {Role.API}, "A person starts a new series of attempts."),
            _move(
                "redrive_later",
                {_F},
                _W,
                {Role.API},
                "A person starts many jobs anew, at a rate: each when its turn comes.",
            ),
        )
    }
)
"""Every legal move by name."""


def is_legal(source: JobState, target: JobState) -> bool:
    """Whether some move leads from `source` to `target`.

    >>> is_legal(JobState.RUNNING, JobState.SUCCEEDED)
    True
    >>> is_legal(JobState.CANCELLED, JobState.SUCCEEDED)
    False
    """
    return any(source in m.sources and target is m.target for m in MOVES.values())

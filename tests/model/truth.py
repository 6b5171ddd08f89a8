"""The record, moved by the product's own builders.

The model does not repeat guards and effects: it turns its record into a document, lets
the interpreter of `tests.contract.memory` apply what `job_contracts` builds, and turns
the document back. A guard that is lost there is lost here, and some run shows it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from job_contracts import keeping, personal, record
from job_contracts.lifecycle import FINAL, LIVE, MOVES, ErrorKind, JobState, Role
from job_contracts.messages import ErrorInfo
from job_contracts.record import GuardedMove
from tests.contract.memory import matches, run
from tests.model.state import NOBODY, Job

MAX_ATTEMPTS: Final = 2

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_WAKE: Final[Mapping[str, timedelta]] = {
    "due": timedelta(seconds=-1),
    "later": timedelta(seconds=3),
    "far": timedelta(days=1),
}
_FAR: Final = record.FAR_OUT
_EXPIRY: Final[Mapping[str, timedelta]] = {"ahead": timedelta(days=400), "passed": timedelta(seconds=-1)}
_SOON: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=7)
_ERROR: Final = ErrorInfo(type="Error", message="-")


class BrokenError(Exception):
    """A property that must always hold does not."""


def expect(holds: object, what: str) -> None:
    """Raise `BrokenError` unless it holds."""
    if not holds:
        raise BrokenError(what)


Builder = Callable[..., GuardedMove]

BUILDERS: Final[Mapping[str, Builder]] = {
    "claim": lambda v, who, **_: record.claim(["j"], v, worker=who, token=who),
    "release": lambda v, **_: record.release(["j"], v),
    "park": lambda v, **_: record.park(["j"], v),
    "await_worker": lambda v, **_: record.await_worker(["j"], v),
    "defer": lambda v, **_: record.defer(["j"], v),
    "retry": lambda v, **_: record.retry("j", v, wait=_SOON, error=_ERROR),
    "postpone": lambda v, **_: record.postpone("j", v, wait=_SOON),
    "give_back": lambda v, **_: record.give_back("j", v),
    "stop": lambda v, **_: record.stop("j", v, retention=_KEPT),
    "succeed": lambda v, **_: record.succeed(["j"], v, retention=_KEPT, token="t"),
    "fail": lambda v, **_: record.fail(
        ["j"], v, kind=ErrorKind.EXHAUSTED, error=_ERROR, retention=_KEPT, token="t"
    ),
    "fail_expired": lambda v, **_: record.fail_expired(["j"], v, error=_ERROR, retention=_KEPT, token="t"),
    "far_out": lambda v, wake_at, **_: keeping.far_out(["j"], v, wake_at=wake_at),
    "republish": lambda v, **_: keeping.republish(["j"], v),
    "hand_over": lambda v, **_: keeping.hand_over(["j"], v),
    "keep_pending": lambda v, **_: keeping.keep_pending(["j"], v, wait=_SOON),
    "hold_outcome": lambda v, **_: keeping.hold_outcome(["j"], v),
    "take_over": lambda v, who, wake_at, **_: keeping.take_over("j", v, worker=who, wake_at=wake_at),
    "expire": lambda v, wake_at, **_: keeping.expire("j", v, wake_at=wake_at),
    "cancel": lambda **_: personal.cancel(["j"], owner="o", retention=_KEPT),
    "request_cancel": lambda **_: personal.request_cancel(["j"], owner="o"),
    "redrive": lambda **_: personal.redrive(["j"], owner="o", limit=3),
    "redrive_later": lambda **_: personal.redrive_later(["j"], owner="o", limit=3, wait=_SOON),
    "reschedule to a moment": lambda **_: personal.reschedule("j", owner="o", run_at=_NOW + _SOON),
    "reschedule as low": lambda **_: personal.reschedule("j", owner="o", low=True),
    "reschedule as normal": lambda **_: personal.reschedule("j", owner="o", low=False),
}
"""Everything that changes the record, as the product builds it."""

UNMODELLED: Final = frozenset({"progress", "append_logs", "set_aside"})
"""Updates of fields that the protocol does not look at, and of records that nothing can handle."""

Twist = Callable[[GuardedMove], GuardedMove]


class Truth:
    """Applies builders to records and remembers what came of it.

    Parameters
    ----------
    twists
        Changes to what a builder yields, by its name: how a mutation takes a guard away.
    """

    def __init__(self, twists: Mapping[str, Twist]) -> None:
        self._twists = twists
        self._known: dict[tuple[Any, ...], Job | None] = {}

    def after(
        self,
        name: str,
        job: Job | None,
        *,
        by: Role,
        version: int = 0,
        who: str | None = None,
        fresh: bool = True,
    ) -> Job | None:
        """Return the record after this update, or None if it matched nothing.

        Parameters
        ----------
        version
            The version its author holds; people hold none.
        fresh
            Whether the `wake_at` its author has seen is still that of the record.
        """
        if job is None:
            return None
        key = (name, job, by, version, who, fresh)
        if key not in self._known:
            self._known[key] = self._apply(name, job, by, version, who, fresh)
        return self._known[key]

    @property
    def made(self) -> frozenset[tuple[str, Role]]:
        """Names of updates that have matched, and who made them."""
        return frozenset((name, by) for (name, _, by, *_), job in self._known.items() if job is not None)

    def _apply(self, name: str, job: Job, by: Role, version: int, who: str | None, fresh: bool) -> Job | None:
        document = _document(job, _EXPIRY)
        after = self._run(name, document, version, who, fresh)
        if after is None:
            return None
        expect(not version or version == job.version, f"{name} of an old version matched")
        _judge_move(name, document, after, by)
        if job.expiry == "ahead" and after["state"] in {JobState.PENDING, JobState.WAITING}:
            # The same once more for a job that expires before anything else could happen to it.
            nearly = _document(job, {"ahead": timedelta(milliseconds=1)})
            if job.state in {JobState.PENDING, JobState.WAITING}:
                nearly["wake_at"] = min(nearly["wake_at"], nearly["expire_by"])
            soon = self._run(name, nearly, version, who, fresh)
            wake = soon and "expire_by" in soon and soon["wake_at"] > max(soon["expire_by"], _NOW)
            expect(not wake, f"{name} leaves a wake_at after expire_by")
        return _job(after, job, document)

    def _run(
        self, name: str, document: dict[str, Any], version: int, who: str | None, fresh: bool
    ) -> dict[str, Any] | None:
        wake_at = document.get("wake_at", _NOW)
        seen = wake_at if fresh else wake_at - timedelta(milliseconds=1)
        move = BUILDERS[name](v=version, who=who, wake_at=seen)
        if name in self._twists:
            move = self._twists[name](move)
        return run(move.update, document, _NOW) if matches(document, move.filter, _NOW) else None


def _document(job: Job, expiry: Mapping[str, timedelta]) -> dict[str, Any]:
    there = {
        "reason": job.reason,
        "wake_at": _NOW + _WAKE[job.wake] if job.wake else None,
        "worker": job.worker if job.worker != NOBODY else None,
        "claim": job.claim if job.claim != NOBODY else None,
        "cancel_requested": job.cancel or None,
        "expire_by": _NOW + expiry[job.expiry] if job.expiry else None,
        "priority": personal.LOW if job.low else None,
        "expire_at": _NOW + _KEPT if job.ttl else None,
    }
    fixed = {"_id": "j", "owner": "o", "revision": 0, "max_attempts": MAX_ATTEMPTS, "timeout": 30.0}
    kept = {"state": job.state, "version": job.version, "failures": job.failures, "redrives": job.redrives}
    return fixed | kept | {name: value for name, value in there.items() if value}


def _job(after: Mapping[str, Any], before: Job, document: Mapping[str, Any]) -> Job:
    wake_at, expire_by = after.get("wake_at"), after.get("expire_by")
    moved = wake_at != document.get("wake_at") or after["version"] != before.version
    wake = ""
    if wake_at is not None:
        wake = "due" if wake_at <= _NOW else "later" if wake_at < _NOW + _FAR else "far"
    return Job(
        state=str(after["state"]),
        reason=after.get("reason", ""),
        version=after["version"],
        failures=after["failures"],
        wake=wake,
        stamp=before.stamp + int(moved),
        worker=after.get("worker", NOBODY),
        claim=after.get("claim", NOBODY),
        cancel=after.get("cancel_requested", False),
        redrives=after["redrives"],
        expiry=before.expiry if expire_by is not None else "",
        low="priority" in after,
        ttl="expire_at" in after,
    )


def _judge_move(name: str, before: Mapping[str, Any], after: Mapping[str, Any], by: Role) -> None:
    source, target = JobState(before["state"]), JobState(after["state"])
    move = MOVES.get(name.split(" ", maxsplit=1)[0])
    if move is None:
        kept = (source, before["version"]) == (target, after["version"])
        expect(kept, f"{name} is no move and changes state or version")
    else:
        expect(
            after["version"] == before["version"] + 1,
            f"{name} leads from version to version {after['version']}",
        )
        expect(
            source in move.sources and target is move.target, f"{name} from {source} to {target} is not legal"
        )
        expect(by in move.roles, f"{name} is not for the {by} to make")
    for field in ("wake_at", "worker", "claim"):
        expect(field not in after or target in LIVE, f"{name} leaves {field} in a job that has ended")
    expect(("wake_at" in after) or target in FINAL, f"{name} leaves a live job without wake_at")
    expect(
        ("expire_at" in after) == (target in FINAL), f"{name} leaves a {target} job with the wrong expire_at"
    )
    if target is JobState.FAILED and source is not JobState.RUNNING:
        in_time = "expire_by" not in before or before["expire_by"] > _NOW
        expect(not in_time, f"{name} of a job that waits and has not expired")
    burnt = after["failures"] - before["failures"]
    ended = name in _BURN and source is JobState.RUNNING
    expect(burnt == ended or after["redrives"] > before["redrives"], f"{name} counts {burnt} attempts")
    expect(after["failures"] <= MAX_ATTEMPTS, f"{name} counts more attempts than there may be")
    expect(
        "expire_by" not in after or "redrive" not in name, f"{name} takes the expiry of the old series over"
    )
    waits = target in {JobState.PENDING, JobState.WAITING}
    expect(not (waits and after.get("cancel_requested")), f"{name} forgets that a cancel was requested")


_BURN: Final = {"retry", "fail", "stop"}

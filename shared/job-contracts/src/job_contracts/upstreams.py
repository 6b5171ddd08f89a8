"""Others' services that tasks call, as job-worker keeps their state and GET /tasks and GET /stats show it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

CLOSED: Final = "closed"
"""State of a breaker that lets all calls pass."""


class QuotaView(Struct, frozen=True, kw_only=True):
    """What is left of an upstream's quota, of all keys together.

    Attributes
    ----------
    limit, window_seconds
        So many calls in any stretch of that length. Of several limits it is the one that leaves least.
    resets_at
        When the next used call comes back; None if none is used.
    waiting
        Jobs that have a place in the queue.
    """

    limit: int
    window_seconds: float
    remaining: int
    resets_at: datetime | None
    waiting: int


class BreakerView(Struct, frozen=True, kw_only=True):
    """Whether an upstream is called: `closed`, `open` (not before `retry_at`), `half_open` (a probe is under way)."""

    state: str
    since: datetime | None
    retry_at: datetime | None
    reason: str | None


class UpstreamView(Struct, frozen=True, kw_only=True):
    """One upstream; `quota` is None where none is known."""

    name: str
    tasks: list[str]
    quota: QuotaView | None
    breaker: BreakerView


def upstream_view(stored: Mapping[str, Any], now: datetime) -> UpstreamView:
    """Return the view of a stored upstream at a time of the server."""
    quota = stored.get("quota")
    return UpstreamView(
        name=stored["_id"],
        tasks=list(stored.get("tasks", ())),
        quota=_quota(quota, now) if quota else None,
        breaker=_breaker(stored.get("circuit", {}), now),
    )


def _quota(stored: Mapping[str, Any], now: datetime) -> QuotaView:
    keys = [key for key in stored["keys"] if key.get("used")]
    views = [_rate(rate["limit"], rate["seconds"], keys, stored, now) for rate in stored["rates"]]
    return min(views, key=lambda view: view.remaining / view.limit)


def _rate(
    limit: int, seconds: float, keys: list[Mapping[str, Any]], stored: Mapping[str, Any], now: datetime
) -> QuotaView:
    window, left, back = timedelta(seconds=seconds), 0, []
    for key in keys:
        blocked = key.get("blocked_until")
        # A use that may still be under way counts from now, and not from when it would have timed out.
        uses = [use for use in key["uses"] if use["by"] > now - window]
        if blocked is not None and blocked > now:
            back.append(blocked)
        else:
            left += max(0, limit - sum(use.get("calls", 1) for use in uses))
            back += [min(now, *(use["by"] for use in uses)) + window] if uses else []
    return QuotaView(
        limit=limit * len(keys),
        window_seconds=seconds,
        remaining=left,
        resets_at=min(back, default=None),
        waiting=len(stored.get("queue", ())),
    )


def _breaker(stored: Mapping[str, Any], now: datetime) -> BreakerView:
    opened = stored.get("opened")
    if not opened:
        return BreakerView(state=CLOSED, since=None, retry_at=None, reason=None)
    probing = opened.get("probe") is not None and opened["probe_until"] > now
    return BreakerView(
        state="half_open" if probing else "open",
        since=opened["since"],
        retry_at=opened["probe_at"],
        reason=opened["reason"],
    )

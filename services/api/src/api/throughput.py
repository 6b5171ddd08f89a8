"""How many jobs end, minute by minute: read from what the outcome workers have counted."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import Struct

from api.cached import Cached
from api.legible import Legible
from job_contracts.minutes import MINUTE, minute_of, quantile
from job_contracts.record import Collection
from service_chassis.mongo import Mongo

MOST: Final = 180
"""Minutes that can be asked for at once."""

_MOST_READ: Final = 50_000
"""Minutes of tasks: all of three hours for up to 277 tasks."""

_BUDGET_MS: Final = 2_000

_READ: Final = (2, 60, MOST)
"""How many are read: a reading is shared, and there are not more of them than these."""


class Spans(Struct, frozen=True):
    """Within how many seconds half, and nearly all, stayed; null if none of them tells."""

    p50: float | None
    p95: float | None


class MinuteView(Struct, frozen=True, kw_only=True):
    """The jobs of a task that ended in one minute."""

    minute: datetime
    task: str
    finished: int
    failed: int
    wait: Spans
    run: Spans


class Throughput:
    """Reads the minutes of an owner; all who ask share a few readings."""

    def __init__(
        self, *, owner: str, mongo: Mongo, now: Callable[[], datetime], legible: Legible | None = None
    ) -> None:
        self._legible = legible or Legible()
        self._owner = owner
        self._mongo = mongo
        self._now = now
        self._readings = {count: Cached(partial(self._read, count)) for count in _READ}

    async def minutes(self, count: int) -> list[MinuteView]:
        """Return what the last minutes hold, the present one included, the oldest first."""
        reading = self._readings[next(read for read in _READ if read >= count)]
        since = self._first_of(count)
        return [minute for minute in await reading.get() if minute.minute >= since]

    async def last_minute(self) -> int:
        """Return how many jobs ended in the last sixty seconds, about."""
        return ended_lately(await self.minutes(2), self._now())

    def _first_of(self, count: int) -> datetime:
        return minute_of(self._now()) - (count - 1) * MINUTE

    async def _read(self, count: int) -> list[MinuteView]:
        since = self._first_of(count)
        # Some may be of a minute that has not begun by our clock.
        query = between(self._owner, since, since + (count + 1) * MINUTE)
        found = self._mongo.collection(Collection.MINUTES).find(query)
        found = found.sort("_id", 1).limit(_MOST_READ).max_time_ms(_BUDGET_MS)
        return self._legible.shown(await found.to_list(None), _view, of="minutes")


def between(owner: str, since: datetime, until: datetime) -> dict[str, Any]:
    """Return the filter of an owner's minutes: ids are ordered field by field, so they stand together, by time."""
    low, high = ({"owner": owner, "minute": at} for at in (since, until))
    return {"_id": {"$gte": low, "$lt": high}}


def ended_lately(minutes: Sequence[MinuteView], now: datetime) -> int:
    """Return how many ended in the last sixty seconds: all of this minute, and of the one before its share.

    That share is taken as if jobs had ended evenly, so at any moment every replica says the same.
    """
    this = minute_of(now)
    share = 1 - (now - this) / MINUTE
    weights = {this: 1.0, this - MINUTE: share}
    return round(sum((m.finished + m.failed) * weights.get(m.minute, 0) for m in minutes))


def _view(doc: Mapping[str, Any]) -> MinuteView:
    return MinuteView(
        minute=doc["_id"]["minute"],
        task=doc["_id"]["task"],
        finished=doc["finished"],
        failed=doc["failed"],
        wait=_spans(doc.get("wait")),
        run=_spans(doc.get("run")),
    )


def _spans(times: Mapping[str, Any] | None) -> Spans:
    classes = times["classes"] if times else {}
    return Spans(quantile(classes, 0.5), quantile(classes, 0.95))

"""What is known of the uses of a key: as exact as it must be, and never longer than a few hundred entries.

Up to `EXACT` calls a window, each use is an entry. Beyond that uses of one cell, 1/100 of the window, are one
entry that counts until the last of them has left the window. A token comes back at most 1 % of the window
late, and never early: no window holds more than the limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final, NamedTuple

EXACT: Final = 100
"""Most calls a window of a rate whose uses all stand by themselves; the cells of a window of any other rate."""

_UNDER_WAY: Final = 50
"""Calls under way that were granted within this part of a timeout share an entry; each leaves it by itself."""

_LOOSE: Final = 16
"""Entries beyond those of full cells before cells are made anew."""

_by = attrgetter("by")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any window of this length."""

    limit: int
    window: timedelta


class Use(NamedTuple):
    """Calls that count; made in great numbers.

    Attributes
    ----------
    at
        When they were granted: of settled ones the last, of those under way the first.
    by
        The latest moment at which one of them can have reached the upstream: when its answer was there,
        and as long as nobody knows that, when its timeout would have ended it.
    token
        Names them as long as their answers are not known.
    calls
        How many they are.
    """

    at: datetime
    by: datetime
    token: str | None = None
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of the uses of one key, which is named by a short hash."""

    name: str
    uses: tuple[Use, ...] = ()
    blocked_until: datetime | None = None
    """The upstream has said that it takes no call before."""

    def left(self, rates: Sequence[Rate], now: datetime) -> int:
        """Return how many calls are allowed at once."""
        if self.blocked_until is not None and now < self.blocked_until:
            return 0
        used = [sum([use.calls for use in self.uses if use.by > now - rate.window]) for rate in rates]
        return max(0, min(rate.limit - n for rate, n in zip(rates, used, strict=True)))

    def slots(self, rate: Rate, now: datetime) -> list[tuple[datetime, int]]:
        """Return when the calls that a rate allows at once can be made again, and how many of them then.

        A call under way is taken to have come at once: else every promise made during a burst
        would be too late by its timeout.
        """
        first = now if self.blocked_until is None else max(now, self.blocked_until)
        free, slots = rate.limit, []
        for at, count in sorted(((use.at, use.calls) for use in self.uses), reverse=True):
            if not free:
                break
            slots.append((max(first, at + rate.window), min(count, free)))
            free -= min(count, free)
        return [(first, free), *slots] if free else slots

    def used_since(self, moment: datetime) -> bool:
        """Whether a call can have reached the upstream since then, or the upstream takes none until later."""
        return any(use.by > moment for use in self.uses) or (self.blocked_until or moment) > moment

    def granting(
        self, rates: Sequence[Rate], now: datetime, *, flight: timedelta, token: str
    ) -> tuple["Key", str]:
        """Return the key with one more call under way, and the token that names it."""
        if _packed(rates) and self.uses:
            last = self.uses[-1]
            if last.token is not None and timedelta() <= now - last.at < flight / _UNDER_WAY:
                shared = last._replace(by=max(last.by, now + flight), calls=last.calls + 1)
                return replace(self, uses=(*self.uses[:-1], shared)), last.token
        return self.using(Use(now, now + flight, token)), token

    def settled(self, token: str, arrived: datetime) -> "Key":
        """Return the key with one call of that token no longer under way."""
        uses, found = [], False
        for use in self.uses:
            if use.token != token:
                uses.append(use)
                continue
            found = True
            if use.calls > 1:
                uses.append(use._replace(calls=use.calls - 1))
        # In front: what is under way stands last, so that the next call can share its entry.
        return replace(self, uses=(Use(arrived, arrived), *uses)) if found else self

    def using(self, use: Use) -> "Key":
        """Return the key with one more entry."""
        return replace(self, uses=(*self.uses, use))

    def cut(self, rates: Sequence[Rate], now: datetime) -> "Key":
        """Return the key without uses that no rate looks at any more, and if they are many those of a cell as one."""
        oldest = now - max(rate.window for rate in rates)
        uses = [use for use in self.uses if use.by > oldest]
        if _packed(rates) and len(uses) > EXACT * len(rates) + _LOOSE:
            uses = _pack(uses, rates, now)
        blocked = self.blocked_until
        return replace(
            self,
            uses=tuple(_newest(uses, max(rate.limit for rate in rates))),
            blocked_until=blocked if blocked is not None and now < blocked else None,
        )


def _packed(rates: Sequence[Rate]) -> bool:
    return any(rate.limit > EXACT for rate in rates)


def _pack(uses: Sequence[Use], rates: Sequence[Rate], now: datetime) -> list[Use]:
    """Return the uses with those of one cell as one; what has timed out is under way no longer.

    The shortest window that still holds a use says how long its cell is, or that it stands by itself.
    """
    windows = sorted((rate.window, rate.limit) for rate in rates)
    packed: list[Use] = []
    under_way: list[Use] = []
    last: object = None
    for use in sorted(uses, key=_by):
        if use.token is not None and use.by > now:
            under_way.append(use)
            continue
        window, limit = next(known for known in windows if known[0] > now - use.by)
        cell = int(use.by.timestamp() * EXACT / window.total_seconds()) if limit > EXACT else use.by
        if cell == last:
            before = packed.pop()
            packed.append(Use(max(before.at, use.at), use.by, calls=before.calls + use.calls))
        else:
            packed.append(use._replace(token=None))
            last = cell
    return [*packed, *under_way]


def _newest(uses: Sequence[Use], most: int) -> list[Use]:
    """Return the newest uses, so many at most: a rate that holds them all looks at no more."""
    beyond = sum([use.calls for use in uses]) - most
    if beyond <= 0:
        return list(uses)
    kept = []
    for use in sorted(uses, key=lambda use: use.by):
        drop = min(use.calls, max(beyond, 0))
        beyond -= drop
        if use.calls > drop:
            kept.append(use._replace(calls=use.calls - drop))
    return kept

"""Who may call an upstream when: pure decisions on the account that all workers share.

An account is a log of uses, one for each key, and a queue of places. A call is allowed when
for each rate the use that would leave the window is out of it: a sliding log, so no window,
wherever it begins, holds more than the limit. A job that must wait gets a place with the
moment at which its call will be allowed, and comes back then.

Places are in the order of their tags. An owner's next tag is one more than its last, or than
what was served last: owners take turns, and inside an owner it is first come, first served
(start-time fair queueing; Goyal, Vin and Cheng, 1996).
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

PLACES: Final = 1_000
"""Most places in a queue; who comes later asks again when the last of them is due."""

COMES_WITHIN: Final = timedelta(seconds=15)
"""A job that has not come back this long after its moment has no place any more: it may be cancelled."""

SOONEST: Final = timedelta(milliseconds=500)
"""No job is sent away for less: the dispatcher looks no more often."""

_INSTANT: Final = timedelta(milliseconds=1)
"""What MongoDB cuts off a moment at most."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any window of this length."""

    limit: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Use:
    """A call that counts.

    Attributes
    ----------
    at
        When it was granted.
    by
        The latest moment at which it can have reached the upstream: when its answer was there,
        and as long as nobody knows that, when its timeout would have ended it.
    token
        Names it as long as its answer is not known.
    """

    at: datetime
    by: datetime
    token: str | None = None


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
        used = [sum(use.by > now - rate.window for use in self.uses) for rate in rates]
        return max(0, min(rate.limit - n for rate, n in zip(rates, used, strict=True)))

    def slots(self, rate: Rate, now: datetime) -> list[datetime]:
        """Return for each of the calls that a rate allows at once when it can be made again.

        A call under way is taken to have come at once: else every promise made during a burst
        would be too late by its timeout.
        """
        first = now if self.blocked_until is None else max(now, self.blocked_until)
        last = sorted(use.at for use in self.uses)[-rate.limit :]
        return [first] * (rate.limit - len(last)) + [max(first, at + rate.window) for at in last]

    def cut(self, rates: Sequence[Rate], now: datetime) -> "Key":
        """Return the key without uses that no rate looks at any more."""
        oldest = now - max(rate.window for rate in rates)
        kept = [use for use in sorted(self.uses, key=lambda use: use.by) if use.by > oldest]
        blocked = self.blocked_until
        return replace(
            self,
            uses=tuple(kept[-max(rate.limit for rate in rates) :]),
            blocked_until=blocked if blocked is not None and now < blocked else None,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A job that waits, and when its call will be allowed."""

    tag: int
    job: str
    owner: str
    due: datetime

    @property
    def rank(self) -> tuple[int, str]:
        """The order: by tag, and of equal tags the older job, for ids sort by time."""
        return self.tag, self.job


_rank = attrgetter("rank")


@dataclass(frozen=True, slots=True)
class Granted:
    """A call is allowed now, with this key."""

    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Wait:
    """No call is allowed for this long."""

    wait: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is known of an upstream's quota; every change gives a new account."""

    rates: tuple[Rate, ...]
    keys: tuple[Key, ...]
    queue: tuple[Place, ...] = field(default=())
    """By rank."""
    served: int = 0
    """The tag that was served last."""
    foreign: tuple[Key, ...] = ()
    """Keys that workers with other settings use: kept for them."""

    def ask(
        self, *, job: str, owner: str, now: datetime, flight: timedelta, token: str, reserve: bool
    ) -> "tuple[Account, Granted | Wait]":
        """Grant a call, or say when there will be one and, if wanted, keep a place for it.

        A token that nobody has a place for is for whoever asks first, so none stays unused
        while somebody asks.
        """
        lapsed = now - COMES_WITHIN
        queue = [p for p in self.queue if p.due > lapsed or p.job == job]
        others = [p for p in queue if p.job != job]
        mine = next((p for p in queue if p.job == job), None) or Place(
            max([self.served, *(p.tag for p in others if p.owner == owner)]) + 1, job, owner, now
        )
        before = others[: bisect_left(others, mine.rank, key=_rank)]
        due = sorted(p.due for p in before if p.due <= now)
        account = replace(self, keys=tuple(key.cut(self.rates, now) for key in self.keys), queue=tuple(queue))
        left = {key.name: key.left(self.rates, now) for key in account.keys}
        if (free := sum(left.values())) > len(due):
            key = max(left, key=lambda name: left[name])
            use = Use(now, now + flight, token)
            granted = replace(account.using(key, use), queue=tuple(others), served=max(self.served, mine.tag))
            return granted, Granted(key, token)
        when = max(account.moment(len(before), now), now + SOONEST)
        if free:
            # The tokens are there for jobs that have not come yet; those that do not come lose their places.
            when = min(when, due[len(due) - free] + COMES_WITHIN)
        if reserve:
            insort(others, replace(mine, due=when), key=_rank)
            account = replace(account, queue=tuple(others[:PLACES]))
        return account, Wait(when - now)

    def moment(self, number: int, now: datetime) -> datetime:
        """Return when the call of that number, from 0, will be allowed if all before it are made at once.

        Each slot comes back after a window. Where several rates hold it is what the strictest says
        by itself, which may be a little early: then the job is told once more.
        """
        moments = []
        for rate in self.rates:
            slots = sorted(slot for key in self.keys for slot in key.slots(rate, now))
            rounds, slot = divmod(min(number, PLACES), len(slots))
            moments.append(slots[slot] + rounds * rate.window)
        return max(moments)

    def settle(self, key: str, token: str, *, remaining: int | None, now: datetime) -> "Account":
        """Note that the answer to a call is there and what it said to be left of the first rate.

        The upstream knows of uses that we do not: if it says less than we believe, the rest was
        used by somebody else, at the latest now.
        """
        arrived = Use(now + _INSTANT, now + _INSTANT)
        keys = tuple(
            replace(k, uses=tuple(arrived if use.token == token else use for use in k.uses))
            if k.name == key
            else k
            for k in self.keys
        )
        account = replace(self, keys=keys)
        if remaining is not None:
            rate = self.rates[0]
            for k in keys:
                if k.name == key:
                    unknown = k.left((rate,), now) - max(0, remaining)
                    account = account.using(key, *[arrived] * unknown)
        return account

    def block(self, key: str, until: datetime) -> "Account":
        """Use a key no more until then."""
        return replace(
            self,
            keys=tuple(
                replace(k, blocked_until=max(until, k.blocked_until or until)) if k.name == key else k
                for k in self.keys
            ),
        )

    def using(self, key: str, *uses: Use) -> "Account":
        """Write more uses into the log of a key."""
        return replace(
            self, keys=tuple(replace(k, uses=(*k.uses, *uses)) if k.name == key else k for k in self.keys)
        )

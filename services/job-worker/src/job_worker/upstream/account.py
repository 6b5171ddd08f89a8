"""Who may call an upstream when: pure decisions on the account that all workers share.

An account is a log of uses, one for each key (`uses.py`), and a queue of places. A call is allowed when
for each rate the use that would leave the window is out of it: a sliding log, so no window,
wherever it begins, holds more than the limit. A job that must wait gets a place with the
moment at which its call will be allowed, and comes back then.

Places are in the order of their tags. An owner's next tag is one more than its last, or than
what was served last: owners take turns, and inside an owner it is first come, first served
(start-time fair queueing; Goyal, Vin and Cheng, 1996).
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import accumulate
from operator import attrgetter
from typing import Final, NamedTuple

from job_worker.upstream.uses import Key, Rate, Use

PLACES: Final = 100
"""Most places in a queue; who comes later asks again when the last of them is due."""

COMES_WITHIN: Final = timedelta(seconds=15)
"""A job that has not come back this long after its moment has no place any more: it may be cancelled."""

SOONEST: Final = timedelta(milliseconds=500)
"""No job is sent away for less: the dispatcher looks no more often."""

_INSTANT: Final = timedelta(milliseconds=1)
"""What MongoDB cuts off a moment at most."""

_FOREIGN_FOR: Final = timedelta(days=3)
"""A key that no worker has used for so long is forgotten: longer than any window."""


class Place(NamedTuple):
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
        account = replace(
            self,
            keys=tuple(key.cut(self.rates, now) for key in self.keys),
            queue=tuple(queue),
            foreign=tuple(key for key in self.foreign if key.used_since(now - _FOREIGN_FOR)),
        )
        left = {key.name: key.left(self.rates, now) for key in account.keys}
        if (free := sum(left.values())) > len(due):
            key = max(left, key=lambda name: left[name])
            calling, name = account.key(key).granting(self.rates, now, flight=flight, token=token)
            granted = replace(account, queue=tuple(others), served=max(self.served, mine.tag))
            return granted.with_key(calling), Granted(key, name)
        when = max(account.moment(len(before), now), now + SOONEST)
        if free:
            # The tokens are there for jobs that have not come yet; those that do not come lose their places.
            when = min(when, due[len(due) - free] + COMES_WITHIN)
        if reserve:
            insort(others, mine._replace(due=when), key=_rank)
            account = replace(account, queue=tuple(others[:PLACES]))
        return account, Wait(when - now)

    def moment(self, number: int, now: datetime) -> datetime:
        """Return when the call of that number, from 0, will be allowed if all before it are made at once.

        Each slot comes back after a window. Where several rates hold it is what the strictest says
        by itself, which may be a little early: then the job is told once more.
        """
        return max(self._moment(rate, number, now) for rate in self.rates)

    def _moment(self, rate: Rate, number: int, now: datetime) -> datetime:
        slots = sorted(slot for key in self.keys for slot in key.slots(rate, now))
        rounds, place = divmod(min(number, PLACES), rate.limit * len(self.keys))
        ends = list(accumulate(count for _, count in slots))
        return slots[bisect_right(ends, place)][0] + rounds * rate.window

    def settle(self, key: str, token: str, *, remaining: int | None, now: datetime) -> "Account":
        """Note that the answer to a call is there and what it said to be left of the first rate.

        The upstream knows of uses that we do not: if it says less than we believe, the rest was
        used by somebody else, at the latest now.
        """
        if all(known.name != key for known in self.keys):
            return self
        arrived = now + _INSTANT
        settled = self.key(key).settled(token, arrived)
        if remaining is not None and (unknown := settled.left(self.rates[:1], now) - max(0, remaining)) > 0:
            settled = settled.using(Use(arrived, arrived, calls=unknown))
        return self.with_key(settled)

    def block(self, key: str, until: datetime) -> "Account":
        """Use a key no more until then."""
        return replace(
            self,
            keys=tuple(
                replace(k, blocked_until=max(until, k.blocked_until or until)) if k.name == key else k
                for k in self.keys
            ),
        )

    def key(self, name: str) -> Key:
        """Return the key of that name."""
        return next(key for key in self.keys if key.name == name)

    def with_key(self, key: Key) -> "Account":
        """Return the account with this key in the place of that of its name."""
        return replace(self, keys=tuple(key if known.name == key.name else known for known in self.keys))

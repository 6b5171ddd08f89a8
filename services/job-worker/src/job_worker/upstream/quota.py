"""Asks the shared account of an upstream before each call, and tells it what came of the call."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from job_worker.upstream.account import Account, Granted, Wait
from job_worker.upstream.shared import Shared

USE_WITHIN: Final = timedelta(seconds=5)
"""A token that took longer to get here is thrown away: the account expects its call by then."""


class Quota:
    """The quota of one upstream, as one worker sees it.

    Parameters
    ----------
    account
        The state that all workers share.
    timeout
        Longest time a call may take; until then one that is never heard of again may reach the upstream.
    clock
        Monotonic seconds.
    """

    def __init__(self, account: Shared[Account], *, timeout: timedelta, clock: Callable[[], float]) -> None:
        self._account, self._clock = account, clock
        self._flight = timeout + USE_WITHIN

    async def take(self, *, job: str, owner: str, reserve: bool) -> Granted | Wait:
        """Return a token for one call, to be made at once, or how long there is none.

        A worker that dies with a token has used it. With `reserve` a place is kept for the job.
        """
        while True:
            began = self._clock()
            answer: Granted | Wait = await self._account.change(
                partial(
                    _ask, job=job, owner=owner, flight=self._flight, token=uuid4().hex[:12], reserve=reserve
                )
            )
            if isinstance(answer, Wait) or self._clock() - began < USE_WITHIN.total_seconds():
                return answer

    async def settle(self, grant: Granted, *, remaining: int | None) -> None:
        """Note that the call has ended, and what its answer said to be left."""
        await self._account.change(partial(_settle, grant=grant, remaining=remaining))

    async def others(self, grant: Granted) -> bool:
        """Whether there is a key beside that of this call which is not blocked."""
        answer: bool = await self._account.change(partial(_others, grant=grant))
        return answer

    async def refused(self, grant: Granted, *, wait: timedelta) -> timedelta:
        """Note that the call has ended, and rest its key as `rest` does."""
        until: timedelta = await self._account.change(partial(_refuse, grant=grant, wait=wait))
        return until

    async def rest(self, grant: Granted, *, wait: timedelta) -> timedelta:
        """Use the key of a settled call no more for so long; return when there is a token again, of any key."""
        until: timedelta = await self._account.change(partial(_rest, grant=grant, wait=wait))
        return until


def _ask(
    account: Account, now: datetime, *, job: str, owner: str, flight: timedelta, token: str, reserve: bool
) -> tuple[Account, Granted | Wait]:
    return account.ask(job=job, owner=owner, now=now, flight=flight, token=token, reserve=reserve)


def _settle(
    account: Account, now: datetime, *, grant: Granted, remaining: int | None
) -> tuple[Account, None]:
    return account.settle(grant.key, grant.token, remaining=remaining, now=now), None


def _others(account: Account, now: datetime, *, grant: Granted) -> tuple[Account, bool]:
    others = (key for key in account.keys if key.name != grant.key)
    return account, any(key.blocked_until is None or key.blocked_until <= now for key in others)


def _refuse(account: Account, now: datetime, *, grant: Granted, wait: timedelta) -> tuple[Account, timedelta]:
    settled = account.settle(grant.key, grant.token, remaining=None, now=now)
    return _rest(settled, now, grant=grant, wait=wait)


def _rest(account: Account, now: datetime, *, grant: Granted, wait: timedelta) -> tuple[Account, timedelta]:
    blocked = account.block(grant.key, now + wait)
    return blocked, blocked.moment(0, now) - now

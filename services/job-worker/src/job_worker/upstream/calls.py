"""One call to an upstream: not while it is down, not beyond its quota, and what came of it is told."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import uuid4

from job_worker.tasks.errors import RateLimited, Reject, Retry
from job_worker.upstream.account import Granted, Wait
from job_worker.upstream.breaker import Breaker
from job_worker.upstream.meters import Meters
from job_worker.upstream.quota import Quota
from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

MONGO_AWAY: Final = timedelta(seconds=3)
"""When to come back if MongoDB cannot say whether a call is allowed."""

_REFUSED_FOR: Final = timedelta(minutes=10)
"""A key that the upstream refuses rests for so long, if there are others."""


class KeyRefused(Reject):
    """The upstream refuses our key: the same for every call with it."""


class Upstream:
    """Somebody else's service that tasks call; its quota and its breaker are shared by all workers.

    Parameters
    ----------
    quota
        None if the upstream has none.
    keys
        Names of the keys there are.
    """

    def __init__(
        self, name: str, *, breaker: Breaker, quota: Quota | None, keys: int, meters: Meters
    ) -> None:
        self.name = name
        self._breaker, self._quota, self._keys, self._meters = breaker, quota, keys, meters
        self._remaining: dict[str, int] = {}

    def told(self, key: str, remaining: int) -> None:
        """Note what an answer has said to be left of the quota; it counts from the end of the next call on."""
        self._remaining[key] = remaining

    @asynccontextmanager
    async def call(self, *, job: str, owner: str, reserve: bool = True) -> AsyncIterator[str]:
        """Enter to make one call; gives the name of the key to make it with, which is empty if there are none.

        What the task raises inside tells how the upstream is: `Retry` that it is unwell, `Reject`
        that it has answered, `RateLimited` that it takes no more calls for that long, `KeyRefused`
        that the key is bad.

        Parameters
        ----------
        job, owner
            Whose call it is: a job that must wait has a place, and owners take turns.
        reserve
            Whether to keep a place; without it the job is not expected back.

        Raises
        ------
        RateLimited
            No call is made now. `until` says when the job's turn comes, or when the next one
            tries whether the upstream is well again. Or the call has failed and the breaker
            is open: the job is not to blame, so its attempt does not count.
        """
        token = uuid4().hex[:12]
        grant = await self._enter(token, job=job, owner=owner, reserve=reserve)
        try:
            yield grant.key
        except RateLimited as error:
            raise await self._limited(token, grant, error) from error
        except KeyRefused as error:
            await self._ended(token, grant)
            if self._quota is None or self._keys < 2:
                raise
            log.error("upstream.key_refused", extra={"upstream": self.name, "key": grant.key})
            if (wait := await self._refuse(grant)) is None:
                raise
            raise RateLimited(f"{error}; another key is tried", until=wait) from error
        except Reject:
            await self._ended(token, grant)
            raise
        except (Retry, TimeoutError) as error:
            wait = await self._failed(token, grant, error)
            if wait is not None:
                raise RateLimited(f"{error}; {self.name} is left alone", until=wait) from error
            raise
        else:
            await self._ended(token, grant)

    async def _enter(self, token: str, *, job: str, owner: str, reserve: bool) -> Granted:
        async def entering() -> Granted:
            if (wait := await self._breaker.enter(token)) is not None:
                self._meters.postponed(self.name, "breaker")
                raise RateLimited(f"{self.name} does not answer well and is left alone", until=wait)
            if self._quota is None:
                return Granted("", token)
            answer = await self._quota.take(job=job, owner=owner, reserve=reserve)
            if isinstance(answer, Wait):
                await self._breaker.leave(token)
                self._meters.postponed(self.name, "quota")
                raise RateLimited(f"the quota of {self.name} is used up", until=answer.wait)
            return answer

        try:
            return await entering()
        except Exception as error:
            if is_outage(error):
                raise RateLimited("MongoDB, which keeps the quota, is away", until=MONGO_AWAY) from error
            raise

    async def _ended(self, token: str, grant: Granted) -> None:
        self._meters.called(self.name, "answered")

        async def telling() -> None:
            await self._settle(grant)
            if await self._breaker.succeeded(token):
                log.warning("breaker.closed", extra={"upstream": self.name})

        await self._told_if_possible(telling)

    async def _failed(self, token: str, grant: Granted, error: BaseException) -> timedelta | None:
        self._meters.called(self.name, "failed")
        wait: timedelta | None = None

        async def telling() -> None:
            nonlocal wait
            await self._settle(grant)
            wait, opened = await self._breaker.failed(token, str(error)[:200] or type(error).__name__)
            if opened:
                log.error("breaker.opened", extra={"upstream": self.name, "reason": str(error)[:200]})

        await self._told_if_possible(telling)
        return wait

    async def _limited(self, token: str, grant: Granted, error: RateLimited) -> RateLimited:
        self._meters.called(self.name, "limited")
        wait = error.until

        async def telling() -> None:
            nonlocal wait
            await self._breaker.leave(token)
            if self._quota is not None:
                wait = await self._quota.refused(grant, wait=wait)

        await self._told_if_possible(telling)
        return RateLimited(str(error), until=wait)

    async def _refuse(self, grant: Granted) -> timedelta | None:
        """Let the key rest; return when another one may be used, None if there is none."""
        wait: timedelta | None = None

        async def telling() -> None:
            nonlocal wait
            if self._quota is not None and await self._quota.others(grant):
                wait = await self._quota.rest(grant, wait=_REFUSED_FOR)

        await self._told_if_possible(telling)
        return wait

    async def _settle(self, grant: Granted) -> None:
        if self._quota is not None:
            await self._quota.settle(grant, remaining=self._remaining.pop(grant.key, None))

    async def _told_if_possible(self, telling: Callable[[], Awaitable[None]]) -> None:
        """Tell what came of a call; the call is made, so an outage of MongoDB must not undo it.

        What is not told is taken for the worst: the use counts as long as it could, and a probe lapses.
        """
        try:
            await telling()
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("upstream.not_told", extra={"upstream": self.name, "reason": repr(error)[:200]})

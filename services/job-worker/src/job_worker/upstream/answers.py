"""One answer to one question: kept for all workers, asked for by one of them at a time.

Whoever finds no fresh answer claims the question. The others wait a little, or come back when
the answer is expected. A claim is for a time by MongoDB's clock, so it ends with a worker that
dies. It outlives its job's wait for a quota: five hundred jobs with one question take one place.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from job_worker.tasks.errors import RateLimited, Retry
from job_worker.upstream.account import COMES_WITHIN
from job_worker.upstream.calls import MONGO_AWAY
from job_worker.upstream.meters import Meters
from service_chassis.backoff import Backoff
from service_chassis.mongo import is_outage

log = logging.getLogger(__name__)

Cache = Literal["hit", "miss", "stale"]

LIMIT: Final = 512 * 1024
"""Bytes of an answer that is kept: as large as a result may be."""

_PATIENCE: Final = timedelta(seconds=2)
"""As long a job waits in its slot for the answer that another one has asked for."""
_LOOKS: Final = Backoff(first=timedelta(milliseconds=100), cap=timedelta(milliseconds=400))
_COME_BACK: Final = timedelta(seconds=1)
_REST: Final = timedelta(seconds=10)
"""After a question could not be asked, an old answer is given for so long without trying again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks, until when nobody else does, and when the answer is expected if the job waits for a token."""

    job: str
    owner: str
    until: datetime
    expected: datetime | None

    def holds(self, job: str, owner: str, now: datetime) -> bool:
        """Whether it keeps this job from asking."""
        yields = self.expected is not None and self.owner != owner
        return now < self.until and self.job != job and not yields


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a question at a time of the server."""

    body: str | None
    fetched_at: datetime | None
    claim: Claim | None
    now: datetime

    @property
    def age(self) -> timedelta | None:
        """How old the answer is; None without one."""
        return None if self.fetched_at is None else max(self.now - self.fetched_at, timedelta())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, where it comes from, and how old it is."""

    body: str
    cache: Cache
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long an answer is given without asking again, and for how long after that if nothing better is to be had."""

    fresh: timedelta
    stale: timedelta


class AnswerStore(Protocol):
    """Where answers are kept; every time in it is the server's."""

    async def look(self, key: str) -> Kept | None:
        """Return what is known of a question."""

    async def claim(self, key: str, *, job: str, owner: str, lease: timedelta, fresh: timedelta) -> bool:
        """Claim a question that has no fresh answer; false while another job has it.

        A job has its own claim again. One that merely waits for a token yields to other owners.
        """

    async def expect(self, key: str, *, job: str, wait: timedelta, lapse: timedelta) -> None:
        """Keep the claim while its job waits, and for `lapse` after that."""

    async def rest(self, key: str, *, job: str, wait: timedelta) -> None:
        """Let nobody ask for so long."""

    async def release(self, key: str, *, job: str) -> None:
        """Give the claim up."""

    async def keep(self, key: str, body: str, *, job: str, keeping: Keeping) -> None:
        """Store an answer and give the claim up."""


class Answers:
    """Gives kept answers, and asks for those that are missing or old.

    Parameters
    ----------
    upstream
        The name it is counted under.
    lease
        How long one asking may take at most.
    pause, clock
        Waits; monotonic seconds.
    """

    def __init__(
        self,
        store: AnswerStore,
        *,
        upstream: str,
        keeping: Keeping,
        lease: timedelta,
        meters: Meters,
        pause: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._store, self._upstream, self._keeping, self._lease = store, upstream, keeping, lease
        self._meters, self._pause, self._clock = meters, pause, clock

    async def get(self, key: str, *, job: str, owner: str, ask: Callable[[bool], Awaitable[str]]) -> Answer:
        """Return the answer to a question.

        Parameters
        ----------
        ask
            Asks for it; is told whether to keep a place for the job, which it need not if there is an old answer.

        Raises
        ------
        TaskError
            There is no answer, old or new: what `ask` raises, or `RateLimited` while another job asks.
        """
        try:
            kept = await self._claimed(key, job, owner)
        except Exception as error:
            if is_outage(error):
                raise RateLimited("MongoDB, which keeps answers, is away", until=MONGO_AWAY) from error
            raise
        answer = kept if isinstance(kept, Answer) else await self._asked(key, job, kept, ask)
        self._meters.answered(self._upstream, answer.cache)
        return answer

    async def _claimed(self, key: str, job: str, owner: str) -> Kept | Answer | None:
        """Return an answer, or what is known of the question that is this job's now."""
        looks, patience = 0, self._clock() + _PATIENCE.total_seconds()
        while True:
            kept = await self._store.look(key)
            if kept is not None and kept.body is not None and kept.age is not None:
                if kept.age < self._keeping.fresh:
                    return Answer(kept.body, "hit", kept.age)
                if kept.age >= self._keeping.fresh + self._keeping.stale:
                    kept = replace(kept, body=None, fetched_at=None)
            # Asked for only if it can be had: it is a write, and five hundred may be looking.
            held = kept is not None and kept.claim is not None and kept.claim.holds(job, owner, kept.now)
            if not held and await self._store.claim(
                key, job=job, owner=owner, lease=self._lease, fresh=self._keeping.fresh
            ):
                return kept
            if kept is not None:
                if kept.body is not None and kept.age is not None:
                    return Answer(kept.body, "stale", kept.age)
                if kept.claim is not None and kept.claim.expected is not None:
                    wait = kept.claim.expected - kept.now
                    if wait > _PATIENCE:
                        raise RateLimited(
                            "another job asks the same when its turn comes", until=_spread(wait)
                        )
            if self._clock() > patience:
                raise RateLimited("another job asks the same just now", until=_spread(_COME_BACK))
            looks += 1
            await self._pause((_LOOKS.ceiling(looks)).total_seconds())

    async def _asked(
        self, key: str, job: str, kept: Kept | None, ask: Callable[[bool], Awaitable[str]]
    ) -> Answer:
        old = None
        if kept is not None and kept.body is not None and kept.age is not None:
            old = Answer(kept.body, "stale", kept.age)
        try:
            body = await ask(old is None)
        except RateLimited as error:
            if old is not None:
                await self._if_possible(self._store.rest(key, job=job, wait=min(error.until, _REST)))
                return old
            await self._if_possible(self._store.expect(key, job=job, wait=error.until, lapse=COMES_WITHIN))
            raise
        except Exception as error:
            if old is not None and isinstance(error, Retry):
                await self._if_possible(self._store.rest(key, job=job, wait=_REST))
                return old
            await self._if_possible(self._store.release(key, job=job))
            raise
        if len(body.encode()) <= LIMIT:
            await self._if_possible(self._store.keep(key, body, job=job, keeping=self._keeping))
        else:
            await self._if_possible(self._store.release(key, job=job))
        return Answer(body, "miss", timedelta())

    async def _if_possible(self, telling: Awaitable[None]) -> None:
        """Tell what came of it: an outage of MongoDB must not take from a job what it has got; the claim lapses."""
        try:
            await telling
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("answer.not_kept", extra={"upstream": self._upstream, "reason": repr(error)[:200]})


def _spread(wait: timedelta) -> timedelta:
    """Return a little more than the wait, so that those who wait for one answer do not come together."""
    return wait + timedelta(seconds=0.2 + random.random())

"""Jobs posted at a rate beside a fault, by a client that is careful: one key a job, repeated until it is accepted."""

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.support.api import Api
from tests.support.waiting import until

Job = dict[str, Any]
"""The body of a submission."""

Mix = Callable[[int, random.Random], Job]
"""Gives the nth job."""


def everyday(number: int, draw: random.Random) -> Job:
    """Some do nothing, some sleep for up to a tenth of a second, one in ten for longer, one in ten must fail."""
    match number % 10:
        case 0:
            return sleep(0.05, fail="reject")
        case 1:
            return sleep(1)
        case n if n < 6:
            return {"task": "noop", "payload": {}}
        case _:
            return sleep(round(draw.uniform(0.02, 0.1), 3))


def sleep(seconds: float, **payload: Any) -> Job:
    """A job that sleeps."""
    return {"task": "sleep", "payload": {"seconds": seconds, **payload}}


def quick(_: int, __: random.Random) -> Job:
    """A job that does nothing."""
    return {"task": "noop", "payload": {}}


class Load:
    """So many jobs at so many a second, from the moment it is entered.

        async with Load(api, jobs=500, rate=50) as load:
            await product.stack.kill("kafka")
            …
            await load.done()
        load.jobs, load.doomed

    Parameters
    ----------
    api
        Whom to ask; its history holds every try.
    jobs, rate
        How many in all, and how many a second.
    mix
        What each job is.
    patience
        Seconds until a job that is not accepted fails the test.
    """

    def __init__(
        self,
        api: Api,
        *,
        jobs: int,
        rate: float = 50,
        seed: int = 0,
        mix: Mix = everyday,
        patience: float = 120,
    ) -> None:
        self._api, self._count, self._rate, self._mix, self._patience = api, jobs, rate, mix, patience
        self._draw = random.Random(seed)
        self._first = len(api.history)
        self._task: asyncio.Task[None] | None = None
        self.jobs: list[str] = []
        self.doomed: set[str] = set()

    async def __aenter__(self) -> Self:
        self._first = len(self._api.history)
        self._task = asyncio.create_task(self._run(), name="load")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None and error is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.done()

    async def done(self) -> list[str]:
        """Wait until every job was accepted; return their ids."""
        if self._task is not None and not self._task.cancelled():
            await self._task
        return self.jobs

    async def accepted(self, count: int, *, within: float = 60) -> None:
        """Wait until so many jobs were accepted."""

        async def there() -> bool:
            assert len(self.jobs) >= count, f"{len(self.jobs)} are"
            return True

        await until(there, within=within, what=f"{count} jobs to be accepted", every=0.02)

    @property
    def waits(self) -> list[float]:
        """Seconds each POST took, answered or not."""
        return [post.seconds for post in self._api.history[self._first :]]

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the POSTs was answered."""
        return statistics.quantiles(self.waits, n=1000)[round(share * 1000) - 1]

    @property
    def refused(self) -> int:
        """Tries that were not accepted."""
        return sum(post.job is None for post in self._api.history[self._first :])

    async def _run(self) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as posts:
            for number in range(self._count):
                await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
                posts.create_task(self._one(self._mix(number, self._draw)))

    async def _one(self, body: Job) -> None:
        job = await self._api.submit_surely(**body, within=self._patience)
        self.jobs.append(job)
        if body["payload"].get("fail") == "reject":
            self.doomed.add(job)

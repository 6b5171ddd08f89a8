"""Jobs that keep coming while something is broken: a careful client at a steady rate.

async with Load(api, jobs=form.jobs, rate=form.rate, seed=form.seed) as load:
    await load.reached(0.3)
    await product.stack.kill("api-1")
    await product.stack.start("api-1")
    jobs = await load.done()
await records.all_final(jobs, within=60)
await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from uuid import uuid4

import httpx

from tests.support.api import Api
from tests.support.events import Events
from tests.support.waiting import until_true

_GAP: Final = 0.1, 1.0
"""Seconds before the first repeat of a POST and, doubled each time, before any later one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to be submitted, and how it must end."""

    task: str = "noop"
    payload: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    ends: str = "succeeded"


Mix = Callable[[int, random.Random], Wanted]
"""Says what the job of a number is."""


def usual(number: int, chance: random.Random) -> Wanted:
    """Of ten jobs four do nothing, four sleep a little, one sleeps a second and one must fail."""
    match number % 10:
        case 0:
            return Wanted("sleep", {"seconds": 0.05, "fail": "reject"}, ends="failed")
        case 1:
            return Wanted("sleep", {"seconds": 1})
        case n if n < 6:
            return Wanted()
        case _:
            return Wanted("sleep", {"seconds": round(chance.uniform(0.02, 0.1), 3)})


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all does not exceed; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Load:
    """Submits `jobs` jobs, each with an `Idempotency-Key` that is repeated until it is accepted.

    Parameters
    ----------
    rate
        Posts a second, whatever the answers do.
    seed
        Of what the jobs are.
    mix
        What the jobs are.
    patience
        Seconds for which one POST is repeated before that fails the test.
    """

    def __init__(
        self,
        api: Api,
        *,
        jobs: int,
        rate: float = 50,
        seed: int = 0,
        mix: Mix = usual,
        patience: float = 120,
    ) -> None:
        self._api, self._rate, self._patience = api, rate, patience
        chance = random.Random(f"load {seed}")
        self.wanted = [mix(number, chance) for number in range(jobs)]
        self._keys = [
            str(uuid4()) for _ in self.wanted
        ]  # of no seed: rows of one product must not share keys
        self._accepted: dict[int, str] = {}
        self.errors: Counter[str] = Counter()
        """Answers other than 202 and 200, by status or by the error of the connection."""
        self.latencies: list[float] = []
        """Seconds of every POST that was answered, accepted or not."""
        self._posting: asyncio.Task[None] | None = None
        self._enough = False

    async def __aenter__(self) -> Self:
        self._posting = asyncio.create_task(self._post_all(), name="load")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.done()
        elif self._posting:
            self._posting.cancel()
            await asyncio.gather(self._posting, return_exceptions=True)

    async def run(self) -> list[str]:
        """Submit everything and return the jobs."""
        async with self:
            return await self.done()

    async def done(self) -> list[str]:
        """Wait until every job is accepted, and return them."""
        assert self._posting, "it was never begun"
        await asyncio.shield(self._posting)
        return self.jobs

    def enough(self) -> None:
        """Submit no more than have been submitted: for loads that last as long as something else."""
        self._enough = True

    async def reached(self, share: float) -> None:
        """Wait until this share of the jobs, from 0 to 1, is accepted."""
        goal = math.ceil(share * len(self.wanted))

        def there() -> bool:
            if self._posting and self._posting.done():
                self._posting.result()
            return len(self._accepted) >= goal

        await until_true(there, within=self._patience, what=f"{goal} jobs to be accepted", every=0.01)

    # --- what is known of it
    @property
    def is_over(self) -> bool:
        """Whether every job was accepted."""
        return len(self._accepted) == len(self.wanted)

    @property
    def jobs(self) -> list[str]:
        """Those accepted, in the order in which they were due."""
        return [self._accepted[number] for number in sorted(self._accepted)]

    @property
    def doomed(self) -> set[str]:
        """Those that must fail."""
        return self.ending("failed")

    def ending(self, state: str) -> set[str]:
        """Those accepted that must end so."""
        return {job for number, job in self._accepted.items() if self.wanted[number].ends == state}

    async def seen_by(self, page: Events, *, within: float = 30) -> None:
        """Wait until a reader of all jobs has seen each of them end as it must."""
        for job in self.jobs:
            await page.seen(job, "failed" if job in self.doomed else "succeeded", within=within)

    @property
    def slowest(self) -> float:
        """Seconds of the slowest answer."""
        return max(self.latencies, default=0.0)

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the POSTs was answered."""
        return quantile(self.latencies, share)

    # --- posting
    async def _post_all(self) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as posts:
            for number in range(len(self.wanted)):
                await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
                if self._enough:
                    return
                posts.create_task(self._post(number))

    async def _post(self, number: int) -> None:
        wanted, (gap, longest) = self.wanted[number], _GAP
        body = {"task": wanted.task, "payload": dict(wanted.payload), **wanted.fields}
        deadline = time.monotonic() + self._patience
        while True:
            began = time.monotonic()
            try:
                answer = await self._api.post(body, key=self._keys[number])
            except httpx.TransportError as error:
                wrong = type(error).__name__
            else:
                self.latencies.append(time.monotonic() - began)
                if answer.is_success:
                    self._accepted[number] = str(answer.json()["id"])
                    return
                wrong = str(answer.status_code)
                assert answer.status_code == 503, f"{wrong}: {answer.text}"
            self.errors[wrong] += 1
            assert time.monotonic() < deadline, f"not accepted within {self._patience:g} s, lastly: {wrong}"
            await asyncio.sleep(gap)
            gap = min(2 * gap, longest)

"""Deletes pictures that no result shows any more, a few at a time, where the dispatcher is active."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final, Protocol

from service_chassis.metrics import Metrics
from service_chassis.mongo import is_outage
from service_chassis.objects import ObjectsError

log = logging.getLogger(__name__)

MOST: Final = 100
"""Pictures deleted in one go, and objects looked at."""

_WALK_AGAIN: Final = timedelta(hours=6)
"""Between two walks through the whole store of objects: what is stray costs only its room."""


class Forgetful(Protocol):
    """What sweeping asks of the pictures that are left over."""

    async def forget(self, most: int) -> int:
        """Delete at most so many pictures that nobody needs any more; return how many."""

    def forget_strays(self) -> AsyncIterator[int]:
        """Delete what no card names, group by group; yield how many of each."""


class Sweeping:
    """Looks now and then for what can go.

    It runs beside the dispatcher and not in its tick: a store of objects that hangs must not hold up jobs. Two
    at once are harmless, for each picture is taken by one.
    """

    def __init__(
        self,
        *,
        leftovers: Forgetful,
        leads: Callable[[], bool],
        every: timedelta,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._leftovers, self._leads, self._every, self._clock = leftovers, leads, every, clock
        self._task: asyncio.Task[None] | None = None
        self._walk: AsyncIterator[int] | None = None
        self._walked = clock()
        self._swept = metrics.counter("pictures_swept_total", "Pictures deleted because no result shows them")

    async def __aenter__(self) -> "Sweeping":
        self._task = asyncio.create_task(self._run(), name="sweeping")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            full = False
            try:
                full = self._leads() and await self.sweep()
            except ObjectsError as error:
                log.warning("sweeping.store_away", extra={"reason": str(error)})
            except Exception as error:
                if is_outage(error):
                    log.warning("sweeping.mongo_away", extra={"reason": repr(error)[:200]})
                else:
                    log.exception("sweeping.failed")
            await asyncio.sleep(1 if full else self._every.total_seconds())

    async def sweep(self) -> bool:
        """Delete one group; true if there may be more to do at once."""
        gone = await self._leftovers.forget(MOST)
        strays = await self._go_on_walking()
        if gone or strays:
            self._swept.inc(gone)
            log.info("sweeping.swept", extra={"pictures": gone, "strays": strays})
        return gone == MOST or self._walk is not None

    async def _go_on_walking(self) -> int:
        if self._walk is None:
            if self._clock() - self._walked < _WALK_AGAIN.total_seconds():
                return 0
            self._walk = self._leftovers.forget_strays()
        try:
            return await anext(self._walk)
        except StopAsyncIteration:
            self._walk, self._walked = None, self._clock()
        except BaseException:
            # The listing is broken: the next begins anew.
            self._walk, self._walked = None, self._clock()
            raise
        return 0

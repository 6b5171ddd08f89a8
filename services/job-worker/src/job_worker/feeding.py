"""Brings the jobs that wait for a place to it."""

import asyncio
import logging
from typing import Protocol

from job_worker.lanes import Lane, Lanes

log = logging.getLogger(__name__)

_EVERY = 0.02
"""Seconds between two looks at places, while anybody waits for one."""

_IDLE = 0.2


class Claims(Protocol):
    """What it tells."""

    async def claim_kept(self, lane: Lane) -> None:
        """Claim what has waited, as far as there are places."""

    async def leave(self) -> None:
        """Let others have the rest."""


class Feeder:
    """Looks at the backlogs of lanes; with none of them filled it costs five looks a second."""

    def __init__(self, lanes: Lanes, claims: Claims) -> None:
        self._lanes, self._claims = lanes, claims
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Feeder":
        self._task = asyncio.create_task(self._feed(), name="feeder")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        try:
            async with asyncio.timeout(1):
                await self._claims.leave()
        except Exception as error:  # noqa: BLE001  they come again by their `wake_at`
            log.warning("backlog.not_handed_over", extra={"reason": f"{type(error).__name__}: {error}"})

    async def _feed(self) -> None:
        while True:
            waiting = [lane for lane in self._lanes.others if len(lane.backlog)]
            for lane in waiting:
                if lane.slots.free > 0:
                    try:
                        await self._claims.claim_kept(lane)
                    except Exception:
                        log.exception("backlog.not_claimed")
            await asyncio.sleep(_EVERY if waiting else _IDLE)

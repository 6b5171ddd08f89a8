"""Upstreams whose state is in memory: what a task's resources get where there is no MongoDB."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import AutoReconnect

from job_worker.upstream.circuit import Patience
from job_worker.upstream.meters import Meters
from job_worker.upstream.shared import Snapshot
from job_worker.upstream.upstreams import Upstreams
from service_chassis.metrics import Metrics


class States:
    """The state of upstreams, in memory."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[Any, int]] = {}
        self.is_away = False
        self.hangs = False

    async def read(self, name: str, part: str) -> Snapshot:
        if self.is_away:
            raise AutoReconnect("away")
        if self.hangs:
            await asyncio.Event().wait()
        value, version = self.parts.get(name, ({}, 0))
        return Snapshot(value, version, datetime.now(UTC))

    async def write(self, name: str, part: str, value: Any, *, version: int, task: str) -> bool:
        self.parts[name] = (value, version + 1)
        return True


def upstreams_in_memory(states: States, patience: Patience) -> Upstreams:
    """Return upstreams that keep no answers."""
    return Upstreams(
        states=states,
        kept=None,  # type: ignore[arg-type]
        patience=patience,
        meters=Meters(Metrics()),
        clock=asyncio.get_running_loop().time,
        pause=asyncio.sleep,
        draw=random.random,
    )

"""Faults of all kinds by chance: what may be broken, and somebody who breaks it, now and then two things at once.

mischief = Mischief(catalogue(product.stack, kafka=proxied.kafka, mongo=proxied.mongo), chance)
await mischief.go_on(seconds=300)
mischief.played        # Counter({"kill api-1": 3, "silence kafka": 2, …})
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from jobstream_local.stack import Stack
from tests.support.hops import Hop

_QUIET: Final = 0.25
"""Share of the time in which nothing is broken."""

_TWO: Final = 0.3
"""Share of the faults that have another one beside them."""

_LASTS: Final = 0.5, 15.0, 1.0
"""Seconds of a fault, or of a quiet time, at least and at most: mostly short, now and then longer than a lease."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is broken as long as its context is open; two of one victim do not come at once."""

    name: str
    victim: str
    depth: int
    """What others stand on is deeper, and mended first: who starts again needs it."""
    broken: Callable[[], AbstractAsyncContextManager[None]]


def catalogue(stack: Stack, *, kafka: Hop, mongo: Hop) -> list[Fault]:
    """What may happen to a product behind proxies."""
    faults = []
    for name in stack.parts:
        depth = 1 if name.startswith(("kafka", "mongod")) else 0
        faults += [
            Fault(f"kill {name}", name, depth, partial(_killed, stack, name)),
            Fault(f"freeze {name}", name, depth, partial(_frozen, stack, name)),
            Fault(f"stop {name}", name, depth, partial(_stopped, stack, name)),
        ]
    for hop_name, hop in (("kafka", kafka), ("mongo", mongo)):
        faults += [
            Fault(
                f"{verb} the link to {hop_name}",
                f"{hop_name} link",
                2,
                partial(_spoilt, hop, tell),
            )
            for verb, tell in _LINK.items()
        ]
    return faults


_LINK: Final[dict[str, Callable[[Hop], None]]] = {
    "cut": lambda hop: hop.cut(),
    "refuse": lambda hop: hop.refuse(),
    "silence": lambda hop: hop.silence(),
    "delay": lambda hop: hop.delay(0.3, 0.2),
    "throttle": lambda hop: hop.throttle(64 * 1024),
    "reset again and again": lambda hop: hop.reset_every(2),
    "lose answers of": lambda hop: hop.cut_answers(2_000),
}


@asynccontextmanager
async def _killed(stack: Stack, name: str) -> AsyncIterator[None]:
    await stack.kill(name)
    try:
        yield
    finally:
        await stack.start(name, within=90)


@asynccontextmanager
async def _stopped(stack: Stack, name: str) -> AsyncIterator[None]:
    await stack.stop(name)
    try:
        yield
    finally:
        await stack.start(name, within=90)


@asynccontextmanager
async def _frozen(stack: Stack, name: str) -> AsyncIterator[None]:
    stack.pause(name)
    try:
        yield
    finally:
        stack.resume(name)


@asynccontextmanager
async def _spoilt(hop: Hop, tell: Callable[[Hop], None]) -> AsyncIterator[None]:
    tell(hop)
    try:
        yield
    finally:
        hop.heal()


class Mischief:
    """Plays faults one after the other, as chance has it; the same chance plays the same ones."""

    def __init__(self, faults: Sequence[Fault], chance: random.Random) -> None:
        self._faults, self._chance = faults, chance
        self.played: Counter[str] = Counter()
        self.quiet = 0.0
        """Seconds in which nothing was broken."""

    async def go_on(self, *, seconds: float) -> None:
        """Break things for so long; at the end all is as it was, though not everyone has recovered."""
        until = time.monotonic() + seconds
        for faults, lasts in self.plan():
            began = time.monotonic()
            if began >= until:
                return
            await self.play(faults, min(lasts, until - began))
            if not faults:
                self.quiet += time.monotonic() - began

    async def play(self, faults: Sequence[Fault], lasts: float) -> None:
        """Have these broken for so many seconds."""
        async with contextlib.AsyncExitStack() as broken:
            for fault in sorted(faults, key=lambda fault: fault.depth):
                self.played[fault.name] += 1
                await broken.enter_async_context(fault.broken())
            await asyncio.sleep(lasts)

    def plan(self) -> Iterator[tuple[list[Fault], float]]:
        """What is broken next, and for how long; nothing, now and then. It has no end."""
        draw = self._chance
        while True:
            lasts = draw.triangular(*_LASTS)
            if draw.random() < _QUIET:
                yield [], lasts
                continue
            faults = [draw.choice(self._faults)]
            if draw.random() < _TWO:
                others = [fault for fault in self._faults if fault.victim != faults[0].victim]
                faults.append(draw.choice(others))
            yield faults, lasts

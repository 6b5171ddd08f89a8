"""`make bench ARGS='--walls'`: what one job, record or request may cost its neighbours, next to its bound.

Each part is a module of this folder with `async def measure() -> list[Wall]`. A part starts what it needs, and
drops it afterwards. `--walls edge` measures one part alone.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.report import say


@dataclass(frozen=True, slots=True)
class Wall:
    """One figure and what it may be at most."""

    what: str
    value: float
    bound: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return self.value <= self.bound


def parts() -> list[str]:
    """Return the names of all parts there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


async def measure(wanted: Sequence[str]) -> int:
    """Measure these parts, or all; print each figure next to its bound; 1 if one is beyond it."""
    unknown = set(wanted) - set(parts())
    if unknown:
        say(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts())}")
        return 2
    walls: list[Wall] = []
    for part in wanted or parts():
        say(f"walls: {part}")
        walls += await importlib.import_module(f"{__name__}.{part}").measure()
        await asyncio.sleep(0)
    width = max((len(wall.what) for wall in walls), default=0)
    for wall in walls:
        verdict = "ok" if wall.holds else "BEYOND"
        print(f"{wall.what:<{width}}  {wall.value:>10.2f} {wall.unit:<6} at most {wall.bound:g}  {verdict}")
    return 0 if all(wall.holds for wall in walls) else 1

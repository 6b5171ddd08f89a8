"""Places for running jobs: a slot is not a partition, so a slow job blocks nobody."""

import asyncio
from datetime import timedelta


class Slots:
    """A bounded number of places, taken by claims and freed when an outcome is on its way."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.busy = 0
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """Places nobody has."""
        return self.total - self.busy

    def take(self) -> None:
        """Occupy one place; the caller has seen that one is free."""
        self.busy += 1

    def release(self) -> None:
        """Give one place back."""
        self.busy -= 1
        self._freed.set()

    async def wait_free(self, within: timedelta) -> bool:
        """Wait for a free place; false if none came."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while self.free <= 0:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return False
        return True

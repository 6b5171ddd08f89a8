"""Places for running jobs: a slot is not a partition, so a slow job blocks nobody."""

import asyncio
from datetime import timedelta


class Slots:
    """A bounded number of places, taken by claims and left when the task has ended.

    While an outcome is on its way to Kafka its job needs no place: the next one runs in it. As many
    may be on their way as there are places; what goes beyond that takes places again, so that a worker whose
    outcomes nobody acknowledges soon claims nothing, and holds twice as many results as it has places at most.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._running = 0
        self._leaving = 0
        self._freed = asyncio.Event()

    @property
    def busy(self) -> int:
        """Places that are taken."""
        return self._running + max(0, self._leaving - self.total)

    @property
    def free(self) -> int:
        """Places nobody has."""
        return self.total - self.busy

    def take(self) -> None:
        """Occupy one place; the caller has seen that one is free."""
        self._running += 1

    def leave(self) -> None:
        """Give the place back, since the outcome is on its way."""
        self._running -= 1
        self._leaving += 1
        self._freed.set()

    def come_back(self) -> None:
        """Occupy a place once more: the outcome has arrived, or will not, and the job's attempt has something to do."""
        self._leaving -= 1
        self._running += 1

    def release(self) -> None:
        """Give one place back."""
        self._running -= 1
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

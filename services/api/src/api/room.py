"""Room for what many requests would hold at once: who comes later waits its turn and holds no more than its body."""

import asyncio
from collections import deque


class Room:
    """A number of places, given in the order in which they were asked for.

    Parameters
    ----------
    places
        How many there are; who asks for more waits until it has all of them.
    """

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, places: int) -> int:
        """Wait for so many places and take them; returns how many must be given back."""
        places = min(places, self._places)
        if places <= self._free and not self._waiting:
            self._free -= places
            return places
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((places, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()
            else:
                self.leave(places)  # It was let in at the moment at which it gave up.
            raise
        return places

    def leave(self, places: int) -> None:
        """Give places back."""
        self._free += places
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            places, turn = self._waiting[0]
            if not turn.done():
                if places > self._free:
                    return
                self._free -= places
                turn.set_result(None)
            self._waiting.popleft()

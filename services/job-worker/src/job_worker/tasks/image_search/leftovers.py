"""Deletes pictures that nobody needs any more; `gallery.py` says why this races nobody."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from job_contracts.record import Collection
from service_chassis.objects import Objects

STRAY: Final = timedelta(days=1)
"""An object this old that no card names will never be named: cards follow their objects within seconds."""

_GROUP: Final = 100


class Leftovers:
    """Finds and deletes them.

    Parameters
    ----------
    collection
        Gives a MongoDB collection by name.
    objects
        Where the bytes lie; None: in the cards.
    """

    def __init__(
        self,
        *,
        collection: Callable[[str], Any],
        objects: Objects | None,
        now: Callable[[], datetime],
    ) -> None:
        self._collection, self._objects, self._now = collection, objects, now

    @property
    def _cards(self) -> Any:
        return self._collection(Collection.IMAGES)

    async def forget(self, most: int) -> int:
        """Delete at most so many pictures that nobody needs any more; return how many.

        Raises
        ------
        ObjectsError
            The store of objects is away; what it still has of them is found later as stray.
        """
        for count in range(most):
            card = await self._cards.find_one_and_delete(
                {"kept_until": {"$lt": self._now()}}, projection={"object": 1}
            )
            if card is None:
                return count
            if self._objects and "object" in card:
                await self._objects.delete(card["object"])
        return most

    async def forget_strays(self) -> AsyncIterator[int]:
        """Delete what a worker that died has left in the store of objects; yield how many of each group.

        Raises
        ------
        ObjectsError
            The store is away.
        """
        if self._objects is None:
            return
        async for group in self._objects.walk(_GROUP):
            old = [found.name for found in group if found.age > STRAY]
            hashes = {name.partition(".")[0] for name in old}
            cards = await self._cards.find({"_id": {"$in": list(hashes)}}, {"object": 1}).to_list(None)
            strays = set(old).difference(card.get("object") for card in cards)
            for name in strays:
                await self._objects.delete(name)
            yield len(strays)

"""Reads pictures that are shown from here: their cards in MongoDB, their bytes there or in a store of objects."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from job_contracts.record import Collection
from service_chassis.mongo import Mongo
from service_chassis.objects import Objects

_CARD = {
    "content_type": 1,
    "object": 1,
    "size": {"$cond": [{"$gt": ["$object", None]}, "$size", {"$binarySize": "$bytes"}]},
}


@dataclass(frozen=True, slots=True)
class Card:
    """What there is to know of a picture before its bytes."""

    hash: str
    content_type: str
    size: int
    object: str | None
    """Its name in the store of objects; None if the bytes lie in the card itself."""


class Pictures:
    """Finds and reads pictures by the SHA-256 of their bytes."""

    def __init__(self, *, mongo: Mongo, objects: Objects | None) -> None:
        self._mongo, self._objects = mongo, objects

    async def card(self, digest: str) -> Card | None:
        """Return the card of a picture, None if there is none or its bytes lie in a store that is not set."""
        found = await self._mongo.collection(Collection.IMAGES).find_one({"_id": digest}, _CARD)
        if found is None or ("object" in found and self._objects is None):
            return None
        return Card(digest, found["content_type"], found["size"], found.get("object"))

    async def read(self, card: Card, start: int, end: int) -> AsyncIterator[bytes]:
        """Return the bytes from `start` up to `end`, which is left out, as they come.

        Raises
        ------
        FileNotFoundError
            They have been deleted meanwhile.
        ObjectsError
            The store does not give them out now.
        """
        if card.object is not None and self._objects is not None:
            return await self._objects.read(card.object, start, end)
        found = await self._mongo.collection(Collection.IMAGES).find_one({"_id": card.hash}, {"bytes": 1})
        if found is None:
            raise FileNotFoundError(card.hash)
        return _whole(bytes(found["bytes"])[start:end])


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data

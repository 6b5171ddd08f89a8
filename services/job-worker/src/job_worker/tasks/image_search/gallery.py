"""Keeps pictures under the SHA-256 of their bytes, as long as a result may show them.

A picture has one card in MongoDB: what it is, and until when it is kept. Its bytes lie in the card
itself or, with a store of objects, there under a name that is never used twice. So deleting one takes
two steps that race nobody: the card goes in one step, or stays because somebody has just asked for the picture;
then that card's own object goes, which no later card will ever name.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from secrets import token_hex
from typing import Any

from pymongo import UpdateOne

from job_worker.tasks.errors import RateLimited
from service_chassis.mongo import is_outage
from service_chassis.objects import Objects, ObjectsError


@contextmanager
def keeping(*, until: timedelta) -> Iterator[None]:
    """Have the job come back after so long when what keeps pictures is away; no attempt is burnt."""
    try:
        yield
    except ObjectsError as error:
        raise RateLimited("the pictures cannot be kept: their store is away", until=until) from error
    except Exception as error:
        if is_outage(error):
            raise RateLimited("the pictures cannot be kept: MongoDB is away", until=until) from error
        raise


@dataclass(frozen=True)
class KeptImage:
    """The bytes of a picture in one size."""

    content_type: str
    data: bytes
    width: int
    height: int

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return sha256(self.data).hexdigest()


class Gallery:
    """Stores pictures; equal ones are one.

    Parameters
    ----------
    images
        The collection of cards.
    objects
        Where the bytes are put; None: into the cards.
    kept
        How long a picture stays after it was last asked for.
    """

    def __init__(
        self, *, images: Any, now: Callable[[], datetime], objects: Objects | None = None, kept: timedelta
    ) -> None:
        self._images, self._now, self._objects, self._kept = images, now, objects, kept

    async def still_kept(self, hashes: Iterable[str]) -> set[str]:
        """Return which of the pictures are there; those are kept anew from now on."""
        wanted = list(hashes)
        if not wanted:
            return set()
        query = {"_id": {"$in": wanted}}
        await self._images.update_many(query, self._keep_on())
        found = await self._images.find(query, {"_id": 1}).to_list(None)
        return {document["_id"] for document in found}

    async def keep(self, images: Iterable[KeptImage]) -> None:
        """Store pictures that may be there already.

        Raises
        ------
        ObjectsError
            The store of objects does not take them now.
        """
        new = {image.hash: image for image in images}
        for there in await self.still_kept(new):
            del new[there]
        if not new:
            return
        places = [await self._place(image) for image in new.values()]
        cards = [
            UpdateOne(
                {"_id": image.hash},
                {
                    "$setOnInsert": {
                        "content_type": image.content_type,
                        "size": len(image.data),
                        "width": image.width,
                        "height": image.height,
                        "created_at": self._now(),
                        **place,
                    },
                    **self._keep_on(),
                },
                upsert=True,
            )
            for image, place in zip(new.values(), places, strict=True)
        ]
        done = await self._images.bulk_write(cards)
        for number, place in enumerate(places):
            if self._objects and number not in done.upserted_ids:  # another worker was first
                await self._objects.delete(place["object"])

    def _keep_on(self) -> dict[str, Any]:
        return {"$max": {"kept_until": self._now() + self._kept}}

    async def _place(self, image: KeptImage) -> dict[str, Any]:
        if self._objects is None:
            return {"bytes": image.data}
        name = f"{image.hash}.{token_hex(6)}"
        await self._objects.put(name, image.data)
        return {"object": name}

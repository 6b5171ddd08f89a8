"""Keeps the bytes of pictures in MongoDB under their SHA-256."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from pymongo import UpdateOne


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
    """Stores images; equal ones are one document."""

    def __init__(self, *, images: Any, now: Callable[[], datetime]) -> None:
        self._images, self._now = images, now

    async def kept(self, hashes: Iterable[str]) -> set[str]:
        """Return which of the images are there."""
        wanted = list(hashes)
        if not wanted:
            return set()
        found = await self._images.find({"_id": {"$in": wanted}}, {"_id": 1}).to_list(None)
        return {document["_id"] for document in found}

    async def keep(self, images: Iterable[KeptImage]) -> None:
        """Store images that may be there already."""
        await self._images.bulk_write(
            [
                UpdateOne(
                    {"_id": image.hash},
                    {
                        "$setOnInsert": {
                            "content_type": image.content_type,
                            "bytes": image.data,
                            "width": image.width,
                            "height": image.height,
                            "created_at": self._now(),
                        }
                    },
                    upsert=True,
                )
                for image in images
            ]
        )

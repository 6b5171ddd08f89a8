"""Remembers what became of each provider's picture, so that none is fetched twice by all workers together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from pymongo.errors import DuplicateKeyError

_CLAIM: Final = timedelta(seconds=75)
"""Longer than a search may take: after it the worker that has claimed a picture is dead."""
_REFUSED: Final = timedelta(hours=1)
"""How long a picture is left alone that was not fit to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A picture that is shown from here."""

    hashes: tuple[str, ...]
    """Of the regular, small and thumb size; of a small picture some are equal."""

    width: int
    height: int
    color: str
    blur_hash: str


class Sources:
    """Keeps the memory in MongoDB, by the provider's name and its id of the picture."""

    def __init__(self, *, sources: Any, now: Callable[[], datetime], kept: timedelta) -> None:
        self._sources, self._now, self._kept = sources, now, kept

    async def known(self, key: str) -> Hosted | str | None:
        """Return what is kept of a picture, or why there is none to be had."""
        document = await self._sources.find_one({"_id": key})
        if document is None or "refused" in document:
            return document and str(document["refused"])
        return _hosted(document["hosted"]) if "hosted" in document else None

    async def claim(self, key: str) -> str | None:
        """Take it upon us to fetch a picture: return a token, or None while somebody else is at it."""
        now, token = self._now(), str(uuid4())
        try:
            await self._sources.update_one(
                {"_id": key, "claim.until": {"$not": {"$gt": now}}},
                {
                    "$set": {"claim": {"token": token, "until": now + _CLAIM}},
                    # So that it goes by itself if nothing comes of it.
                    "$max": {"expire_at": now + _REFUSED},
                },
                upsert=True,
            )
        except DuplicateKeyError:
            return None
        return token

    async def hosted(self, key: str, token: str, hosted: Hosted) -> None:
        """Say what became of a claimed picture."""
        kept = {
            "hashes": list(hosted.hashes),
            "width": hosted.width,
            "height": hosted.height,
            "color": hosted.color,
            "blur_hash": hosted.blur_hash,
        }
        await self._settle(
            key, token, {"hosted": kept, "expire_at": self._now() + self._kept}, {"refused": 1}
        )

    async def refused(self, key: str, token: str, why: str) -> None:
        """Say that a claimed picture is not fit to be shown."""
        await self._settle(key, token, {"refused": why, "expire_at": self._now() + _REFUSED}, {"hosted": 1})

    async def release(self, key: str, token: str) -> None:
        """Give a claimed picture back: the next may try."""
        await self._settle(key, token, {}, {})

    async def _settle(self, key: str, token: str, values: Mapping[str, Any], gone: Mapping[str, int]) -> None:
        update: dict[str, Any] = {"$unset": {"claim": 1, **gone}}
        if values:
            update["$set"] = dict(values)
        await self._sources.update_one({"_id": key, "claim.token": token}, update)


def _hosted(document: Mapping[str, Any]) -> Hosted:
    return Hosted(
        hashes=tuple(document["hashes"]),
        width=document["width"],
        height=document["height"],
        color=document["color"],
        blur_hash=document["blur_hash"],
    )

"""The provider that needs no key and no network: it draws landscapes."""

import asyncio
from collections import OrderedDict
from concurrent.futures import Executor
from datetime import timedelta
from typing import Final, Literal

from job_worker.tasks.errors import RateLimited
from job_worker.tasks.image_search.drawing import Drawn, draw
from job_worker.tasks.image_search.gallery import Gallery, keeping
from job_worker.tasks.image_search.pictures import (
    Attribution,
    Author,
    Orientation,
    Picture,
    Progress,
    SearchPayload,
    Urls,
)

_REMEMBERED: Final = 4_096
_PATIENCE: Final = timedelta(seconds=20)
"""Longest wait for the easel; after it, 30 pictures still fit into the task's timeout."""
_COME_BACK: Final = timedelta(seconds=3)

_Key = tuple[str, int, Orientation | None]


class SampleProvider:
    """Draws the same pictures for the same words, and keeps them in the gallery.

    One job draws at a time: taking turns picture by picture would make all of them late
    together. A job that waits too long goes back to the queue without burning an attempt.

    Parameters
    ----------
    painters
        Where drawing runs, so that the loop stays free.
    public_url
        What stands before the hash of a picture in results.
    """

    name: Literal["sample"] = "sample"
    hosting: Literal["rehost"] = "rehost"

    def __init__(
        self,
        *,
        gallery: Gallery,
        painters: Executor,
        public_url: str = "/images",
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._gallery, self._painters = gallery, painters
        self._public_url, self._patience = public_url, patience
        self._easel = asyncio.Semaphore(1)
        self._known: OrderedDict[_Key, Drawn] = OrderedDict()

    async def search(self, payload: SearchPayload, progress: Progress) -> list[Picture]:
        """Return exactly as many drawings as asked for."""
        keys = [(payload.query.casefold(), number, payload.orientation) for number in range(payload.count)]
        with keeping(until=_COME_BACK):
            there = await self._still_there(keys)
            if len(there) < len(keys):
                await self._take_easel()
                try:
                    # Whoever had it before may have drawn the same.
                    there = await self._still_there(keys)
                    for done, key in enumerate(keys, 1):
                        if key not in there:
                            there[key] = await self._draw(key)
                        await progress(100 * done / len(keys), f"{done} of {len(keys)} pictures drawn")
                finally:
                    self._easel.release()
        return [self._picture(there[key]) for key in keys]

    async def _take_easel(self) -> None:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await self._easel.acquire()
        except TimeoutError:
            raise RateLimited("too many pictures are being drawn", until=_COME_BACK) from None

    async def _still_there(self, keys: list[_Key]) -> dict[_Key, Drawn]:
        known = {key: drawn for key in keys if (drawn := self._known.get(key))}
        kept = await self._gallery.still_kept(hash_ for drawn in known.values() for hash_ in drawn.hashes)
        return {key: drawn for key, drawn in known.items() if kept.issuperset(drawn.hashes)}

    async def _draw(self, key: _Key) -> Drawn:
        drawn, sizes = await asyncio.get_running_loop().run_in_executor(self._painters, draw, *key)
        await self._gallery.keep(sizes)
        self._known[key] = drawn
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return drawn

    def _picture(self, drawn: Drawn) -> Picture:
        regular, small, thumb = (f"{self._public_url}/{hash_}" for hash_ in drawn.hashes)
        return Picture(
            id=drawn.hashes[0][:16],
            width=drawn.width,
            height=drawn.height,
            color=drawn.color,
            blur_hash=drawn.blur_hash,
            alt=f"Drawing: {drawn.description}",
            urls=Urls(full=regular, regular=regular, small=small, thumb=thumb),
            author=Author(name="Jobstream sampler", url=None),
            attribution=Attribution(
                text="Drawn by Jobstream, not a photograph", provider_name="Jobstream", provider_url=None
            ),
            download_location=None,
            drawn=True,
        )

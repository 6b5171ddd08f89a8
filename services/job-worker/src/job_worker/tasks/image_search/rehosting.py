"""Takes the pictures of a provider here, as its terms allow or ask: each is fetched once, made small, and kept."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Final

from job_worker.tasks.context import TaskContext
from job_worker.tasks.errors import RateLimited, Retry
from job_worker.tasks.image_search.developing import Developing, NoPictureError, PictureRefusedError
from job_worker.tasks.image_search.downloads import Downloads
from job_worker.tasks.image_search.gallery import Gallery, keeping
from job_worker.tasks.image_search.guarded import Searcher
from job_worker.tasks.image_search.pictures import Picture, ProviderName, SearchPayload, SearchResult, Urls
from job_worker.tasks.image_search.sources import Hosted, Sources
from service_chassis.objects import ObjectsError

_AT_ONCE: Final = 4
"""Pictures of one job that are under way at a time: polite to their server, and fair to other jobs."""
_LOOK_AGAIN: Final = 0.2
"""Seconds after which to ask whether another worker has got a picture."""
_LOOKS: Final = 100
"""So often: a third of the time a search may take, so that waiting burns no attempt."""
_COME_BACK: Final = timedelta(seconds=5)


class Rehosting:
    """Answers searches with pictures shown from here that a provider has found elsewhere.

    Parameters
    ----------
    searcher
        Asks the provider; its answer may be a kept one.
    provider
        Its name, which its ids of pictures are kept under.
    public_url
        What stands before the hash of a picture in results, without a slash at its end.
    pause
        Waits; tests pass one that does not.
    """

    def __init__(
        self,
        *,
        searcher: Searcher,
        provider: ProviderName,
        downloads: Downloads,
        developing: Developing,
        gallery: Gallery,
        sources: Sources,
        public_url: str,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._searcher, self._provider = searcher, provider
        self._downloads, self._developing = downloads, developing
        self._gallery, self._sources = gallery, sources
        self._public_url, self._pause = public_url, pause

    async def answer(self, payload: SearchPayload, context: TaskContext) -> SearchResult:
        """Return what fits, with our own addresses, without what is not to be had.

        Each picture that is left out has a line in the job's log.

        Raises
        ------
        TaskError
            As `Searcher.answer`, and:
        Retry
            None is to be had, and another try may fare better.
        RateLimited
            Nothing can be kept just now, or another worker has been fetching one of them for long; no attempt is burnt.
        """
        result = await self._searcher.answer(payload, context)
        images = await self._host(result.images, context)
        return result.model_copy(update={"images": images})

    async def _host(self, found: list[Picture], context: TaskContext) -> list[Picture]:
        room, done, passing = asyncio.Semaphore(_AT_ONCE), 0, False

        async def one(picture: Picture) -> Picture | None:
            nonlocal done, passing
            async with room:
                hosted: Hosted | None = None
                try:
                    hosted = await self._hosted(picture)
                except NoPictureError as error:
                    passing = passing or error.passing
                    context.log(f"picture {picture.id} of {self._provider} is left out: {error}", "warning")
                done += 1
                await context.progress(
                    50 + 50 * done / len(found), f"{done} of {len(found)} pictures fetched"
                )
            return None if hosted is None else self._shown(picture, hosted)

        with keeping(until=_COME_BACK):
            pictures = await _all([one(picture) for picture in found])
        shown = [picture for picture in pictures if picture is not None]
        if found and not shown and passing:
            raise Retry(f"none of the {len(found)} pictures could be fetched")
        if len(shown) < len(found):
            context.log(f"{len(found) - len(shown)} of {len(found)} pictures are left out", "warning")
        return shown

    async def _hosted(self, picture: Picture) -> Hosted:
        key = f"{self._provider}:{picture.id}"
        for _ in range(_LOOKS):
            if hosted := await self._known(key):
                return hosted
            if token := await self._sources.claim(key):
                return await self._fetch(key, token, picture.urls.full)
            await self._pause(_LOOK_AGAIN)
        # Slow, or dead. What was fetched meanwhile is there when the job comes back.
        raise RateLimited(f"another worker is fetching picture {picture.id}", until=_COME_BACK)

    async def _known(self, key: str) -> Hosted | None:
        known = await self._sources.known(key)
        if isinstance(known, str):
            raise PictureRefusedError(known)
        if known and await self._gallery.still_kept(known.hashes) == set(known.hashes):
            return known
        return None

    async def _fetch(self, key: str, token: str, url: str) -> Hosted:
        try:
            # Whoever had claimed it before may have got it since we looked.
            hosted = await self._known(key) or await self._develop(url)
            await self._sources.hosted(key, token, hosted)
        except NoPictureError as error:
            if error.passing:
                await self._sources.release(key, token)
            else:
                await self._sources.refused(key, token, str(error))
            raise
        except (asyncio.CancelledError, ObjectsError):
            # Another job may wait for it: better now than when the claim ends.
            await asyncio.shield(self._sources.release(key, token))
            raise
        return hosted

    async def _develop(self, url: str) -> Hosted:
        developed = await self._developing.develop(await self._downloads.fetch(url))
        await self._gallery.keep(developed.sizes)
        largest = developed.sizes[0]
        return Hosted(
            hashes=tuple(size.hash for size in developed.sizes),
            width=largest.width,
            height=largest.height,
            color=developed.color,
            blur_hash=developed.blur_hash,
        )

    def _shown(self, picture: Picture, hosted: Hosted) -> Picture:
        regular, small, thumb = (f"{self._public_url}/{hash_}" for hash_ in hosted.hashes)
        return picture.model_copy(
            update={
                "width": hosted.width,
                "height": hosted.height,
                "color": hosted.color,
                "blur_hash": picture.blur_hash or hosted.blur_hash,
                "urls": Urls(full=regular, regular=regular, small=small, thumb=thumb),
            }
        )


async def _all(work: list[Coroutine[Any, Any, Picture | None]]) -> list[Picture | None]:
    """Return what all of it returns; whatever ends one before its time ends the others too."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

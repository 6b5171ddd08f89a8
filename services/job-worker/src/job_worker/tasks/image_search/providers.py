"""Where pictures come from: chosen once, when the worker starts."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol

from job_worker.tasks.context import TaskEnvironment
from job_worker.tasks.image_search.gallery import Gallery
from job_worker.tasks.image_search.pictures import Picture, ProviderName, SearchPayload
from job_worker.tasks.image_search.sample import SampleProvider
from job_worker.tasks.image_search.settings import ImageSearchSettings
from job_worker.tasks.image_search.unsplash import UnsplashProvider, unsplash_client

log = logging.getLogger(__name__)

Progress = Callable[[float, str | None], Awaitable[None]]


class Provider(Protocol):
    """Finds pictures."""

    @property
    def name(self) -> ProviderName:
        """How it is called in results."""

    async def search(self, payload: SearchPayload, progress: Progress) -> list[Picture]:
        """Return what fits, at most `payload.count` pictures.

        Raises
        ------
        TaskError
            There is no answer; its class says what happens next.
        """


@asynccontextmanager
async def open_provider(environment: TaskEnvironment) -> AsyncIterator[Provider]:
    """Open the provider the settings name."""
    settings = ImageSearchSettings()
    key = settings.unsplash.access_key
    if key is not None and settings.images.provider != "sample":
        log.info("image_search.provider", extra={"provider": "unsplash", "url": settings.unsplash.base_url})
        async with unsplash_client(settings.unsplash) as client:
            yield UnsplashProvider(
                client=client, key=key, settings=settings.unsplash, now=environment.now, random=Random()
            )
        return
    log.info("image_search.provider", extra={"provider": "sample", "has_key": key is not None})
    # One thread: drawing takes turns with the loop for the interpreter, and two would only take from it.
    painters = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")
    try:
        gallery = Gallery(images=environment.collection("images"), now=environment.now)
        yield SampleProvider(gallery=gallery, painters=painters)
    finally:
        painters.shutdown(wait=False, cancel_futures=True)

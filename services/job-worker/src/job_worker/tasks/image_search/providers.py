"""Where pictures come from: chosen once, when the worker starts."""

import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from job_worker.tasks.context import TaskEnvironment
from job_worker.tasks.image_search.gallery import Gallery
from job_worker.tasks.image_search.guarded import Direct, Guarded, Searcher
from job_worker.tasks.image_search.sample import SampleProvider
from job_worker.tasks.image_search.settings import ImageSearchSettings
from job_worker.tasks.image_search.unsplash import UnsplashProvider, unsplash_client
from job_worker.upstream.account import Rate
from job_worker.upstream.answers import Keeping

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_provider(environment: TaskEnvironment) -> AsyncIterator[Searcher]:
    """Open the provider the settings name."""
    settings = ImageSearchSettings()
    unsplash, keys = settings.unsplash, settings.unsplash.keys()
    if keys and settings.images.provider != "sample":
        log.info(
            "image_search.provider",
            extra={"provider": "unsplash", "url": unsplash.base_url, "keys": len(keys)},
        )
        upstream = environment.upstreams.open(
            "unsplash",
            task="image.search",
            timeout=unsplash.timeout,
            rates=[Rate(unsplash.quota, unsplash.quota_window)],
            keys=[*keys],
        )
        keeping = Keeping(fresh=settings.images.fresh_for, stale=settings.images.stale_for)
        answers = environment.upstreams.answers("unsplash", timeout=unsplash.timeout, keeping=keeping)
        async with unsplash_client(unsplash) as client:
            providers = {
                name: UnsplashProvider(
                    client=client,
                    key=key,
                    settings=unsplash,
                    now=environment.now,
                    told=partial(upstream.told, name),
                )
                for name, key in keys.items()
            }
            yield Guarded(providers, upstream=upstream, answers=answers)
        return
    log.info("image_search.provider", extra={"provider": "sample", "has_key": bool(keys)})
    # One thread: drawing takes turns with the loop for the interpreter, and two would only take from it.
    painters = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")
    try:
        gallery = Gallery(images=environment.collection("images"), now=environment.now)
        yield Direct(SampleProvider(gallery=gallery, painters=painters))
    finally:
        painters.shutdown(wait=False, cancel_futures=True)

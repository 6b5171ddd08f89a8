"""Where pictures come from: chosen once, when the worker starts."""

import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from job_contracts.record import Collection
from job_worker.tasks.context import TaskEnvironment
from job_worker.tasks.image_search.asking import Asking, api_client
from job_worker.tasks.image_search.developing import Developing
from job_worker.tasks.image_search.downloads import open_downloads
from job_worker.tasks.image_search.gallery import Gallery
from job_worker.tasks.image_search.guarded import Direct, Guarded, Searcher
from job_worker.tasks.image_search.openverse import RATES, OpenverseProvider
from job_worker.tasks.image_search.pixabay import KEPT, RATE, PixabayProvider
from job_worker.tasks.image_search.rehosting import Rehosting
from job_worker.tasks.image_search.sample import SampleProvider
from job_worker.tasks.image_search.settings import ImageSearchSettings, is_loopback
from job_worker.tasks.image_search.sources import Sources
from job_worker.tasks.image_search.unsplash import UnsplashProvider, unsplash_client
from job_worker.upstream.answers import Keeping
from job_worker.upstream.uses import Rate
from service_chassis.objects import Objects

log = logging.getLogger(__name__)

TASK = "image.search"


@asynccontextmanager
async def open_provider(environment: TaskEnvironment) -> AsyncIterator[Searcher]:
    """Open the provider the settings name, behind all that spares it."""
    settings = ImageSearchSettings()
    log.info("image_search.provider", extra={"provider": settings.provider})
    async with AsyncExitStack() as opened:
        opening = _Opening(settings, environment, opened)
        match settings.provider:
            case "unsplash":
                yield await opening.unsplash()
            case "openverse":
                yield await opening.openverse()
            case "pixabay":
                yield await opening.pixabay()
            case "sample":
                yield opening.sample()


class _Opening:
    """Opens one provider; what it needs is closed with the stack."""

    def __init__(
        self, settings: ImageSearchSettings, environment: TaskEnvironment, opened: AsyncExitStack
    ) -> None:
        self._settings, self._images = settings, settings.images
        self._environment, self._opened = environment, opened
        self._keeping = Keeping(fresh=self._images.fresh_for, stale=self._images.stale_for)

    async def unsplash(self) -> Searcher:
        unsplash, upstreams = self._settings.unsplash, self._environment.upstreams
        keys = unsplash.keys()
        upstream = upstreams.open(
            "unsplash",
            task=TASK,
            timeout=unsplash.timeout,
            rates=[Rate(unsplash.quota, unsplash.quota_window)],
            keys=[*keys],
        )
        client = await self._opened.enter_async_context(unsplash_client(unsplash))
        providers = {
            name: UnsplashProvider(
                client=client,
                key=key,
                settings=unsplash,
                now=self._environment.now,
                told=partial(upstream.told, name),
            )
            for name, key in keys.items()
        }
        answers = upstreams.answers("unsplash", timeout=unsplash.timeout, keeping=self._keeping)
        return Guarded(providers, upstream=upstream, answers=answers)

    async def openverse(self) -> Searcher:
        openverse, upstreams = self._settings.openverse, self._environment.upstreams
        upstream = upstreams.open("openverse", task=TASK, timeout=openverse.timeout, rates=RATES)
        client = api_client(openverse.timeout, loopback=is_loopback(openverse.base_url))
        asking = Asking(
            name="Openverse",
            client=await self._opened.enter_async_context(client),
            timeout=openverse.timeout,
            window=RATES[0].window,
            now=self._environment.now,
        )
        provider = OpenverseProvider(asking=asking, settings=openverse)
        answers = upstreams.answers("openverse", timeout=openverse.timeout, keeping=self._keeping)
        return await self._shown_from_here(
            Guarded({"": provider}, upstream=upstream, answers=answers), provider
        )

    async def pixabay(self) -> Searcher:
        pixabay, upstreams = self._settings.pixabay, self._environment.upstreams
        if (key := pixabay.api_key) is None:
            raise ValueError("pixabay needs a key")
        upstream = upstreams.open("pixabay", task=TASK, timeout=pixabay.timeout, rates=[RATE])
        client = api_client(pixabay.timeout, loopback=is_loopback(pixabay.base_url))
        asking = Asking(
            name="Pixabay",
            client=await self._opened.enter_async_context(client),
            timeout=pixabay.timeout,
            window=RATE.window,
            now=self._environment.now,
            told=partial(upstream.told, ""),
        )
        provider = PixabayProvider(asking=asking, key=key, settings=pixabay)
        keeping = Keeping(fresh=max(KEPT, self._images.fresh_for), stale=self._images.stale_for)
        answers = upstreams.answers("pixabay", timeout=pixabay.timeout, keeping=keeping)
        return await self._shown_from_here(
            Guarded({"": provider}, upstream=upstream, answers=answers), provider
        )

    def sample(self) -> Searcher:
        # One thread: drawing takes turns with the loop for the interpreter, and two would only take from it.
        painters = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")
        self._opened.callback(painters.shutdown, wait=False, cancel_futures=True)
        gallery, public_url = self._gallery(), self._images.public_url
        return Direct(SampleProvider(gallery=gallery, painters=painters, public_url=public_url))

    async def _shown_from_here(
        self, searcher: Searcher, provider: OpenverseProvider | PixabayProvider
    ) -> Searcher:
        downloads = open_downloads(provider.origins, self._images.fetch_timeout)
        return Rehosting(
            searcher=searcher,
            provider=provider.name,
            downloads=await self._opened.enter_async_context(downloads),
            developing=Developing(),
            gallery=self._gallery(),
            sources=Sources(
                sources=self._environment.collection(Collection.IMAGE_SOURCES),
                now=self._environment.now,
                kept=self._settings.kept,
            ),
            public_url=self._images.public_url,
        )

    def _gallery(self) -> Gallery:
        return Gallery(
            images=self._environment.collection(Collection.IMAGES),
            objects=Objects(self._images.store_url) if self._images.store_url else None,
            now=self._environment.now,
            kept=self._settings.kept,
        )

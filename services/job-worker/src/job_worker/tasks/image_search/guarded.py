"""A provider behind all that spares its upstream: kept answers, one asking at a time, breaker, quota."""

import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from pydantic import TypeAdapter

from job_worker.tasks.context import TaskContext
from job_worker.tasks.errors import Retry
from job_worker.tasks.image_search.pictures import Picture, ProviderName, SearchPayload, SearchResult
from job_worker.tasks.image_search.provider import Provider
from job_worker.tasks.walls import understood
from job_worker.upstream.answers import Answers
from job_worker.upstream.calls import Upstream

_PICTURES = TypeAdapter(list[Picture])


class Searcher(Protocol):
    """Answers searches of jobs."""

    async def answer(self, payload: SearchPayload, context: TaskContext) -> SearchResult:
        """Return what fits.

        Raises
        ------
        TaskError
            There is no answer; its class says what happens next.
        """


class Direct:
    """Asks a provider that nobody need be spared for, since it works here."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def answer(self, payload: SearchPayload, context: TaskContext) -> SearchResult:
        """Return what the provider finds."""
        images = await self._provider.search(payload, context.progress)
        return SearchResult(provider=self._provider.name, query=payload.query, images=images)


class Guarded:
    """Asks a provider as seldom as can be.

    Parameters
    ----------
    providers
        By the name of the key that each of them uses; one that needs none has the name "".
    """

    def __init__(self, providers: Mapping[str, Provider], *, upstream: Upstream, answers: Answers) -> None:
        self._providers, self._upstream, self._answers = providers, upstream, answers
        (self.name,) = {provider.name for provider in providers.values()}

    async def answer(self, payload: SearchPayload, context: TaskContext) -> SearchResult:
        """Return what was found for these words before, or ask.

        Raises
        ------
        TaskError
            As `Provider.search`; `RateLimited` also while another job asks the same, while the provider
            is left alone because it is down, and until the job's turn comes. Except for what is this job's
            own fault, none of them is raised while there is an old answer.
        """

        async def ask(reserve: bool) -> str:
            call = self._upstream.call(job=context.job_id, owner=context.owner, reserve=reserve)
            async with call as key:
                with understood(self.name, Retry):
                    images = await self._providers[key].search(payload, context.progress)
            return _PICTURES.dump_json(images).decode()

        question = question_of(self.name, payload)
        answer = await self._answers.get(question, job=context.job_id, owner=context.owner, ask=ask)
        return SearchResult(
            provider=self.name,
            query=payload.query,
            images=_PICTURES.validate_json(answer.body),
            cache=answer.cache,
            age=None if answer.cache == "miss" else answer.age // timedelta(seconds=1),
        )


def question_of(provider: ProviderName, payload: SearchPayload) -> str:
    """Return the name under which the answer is kept: the same for what asks the same.

    >>> question_of("unsplash", SearchPayload(query="Ｓnowy   HILLS")) == question_of(
    ...     "unsplash", SearchPayload(query="snowy hills", count=10)
    ... )
    True
    """
    words = " ".join(unicodedata.normalize("NFKC", payload.query).casefold().split())
    # Casefolding may leave what is not normal (Unicode, 3.13).
    words = unicodedata.normalize("NFKC", words)
    asked = "\x00".join((provider, words, payload.orientation or "", str(payload.count)))
    return f"{provider}:{sha256(asked.encode()).hexdigest()}"

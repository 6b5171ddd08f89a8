"""What is asked of whatever finds pictures."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from job_worker.tasks.image_search.pictures import Picture, ProviderName, SearchPayload

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

"""What is asked of whatever finds pictures."""

from typing import Literal, Protocol

from job_worker.tasks.image_search.pictures import Picture, Progress, ProviderName, SearchPayload


class Provider(Protocol):
    """Finds pictures."""

    @property
    def name(self) -> ProviderName:
        """How it is called in results."""

    @property
    def hosting(self) -> Literal["hotlink", "rehost"]:
        """Whether browsers get its pictures from itself, or from us, who fetch each once; its terms decide."""

    async def search(self, payload: SearchPayload, progress: Progress) -> list[Picture]:
        """Return what fits, at most `payload.count` pictures.

        Of a provider whose pictures are to be shown from here, `urls.full` is where their bytes are.

        Raises
        ------
        TaskError
            There is no answer; its class says what happens next.
        """

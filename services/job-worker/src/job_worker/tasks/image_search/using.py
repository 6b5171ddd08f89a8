"""Reports to Unsplash that a person has taken a picture: what its terms call triggering a download.

Where to report is read from the stored result of the search and never taken from a caller: the request
carries our key.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from job_contracts.record import Collection
from job_worker.tasks.context import TaskContext, TaskEnvironment
from job_worker.tasks.errors import JobsOwnFault
from job_worker.tasks.image_search.asking import Asking
from job_worker.tasks.image_search.settings import ImageSearchSettings
from job_worker.tasks.image_search.unsplash import unsplash_client
from job_worker.upstream.calls import KeyRefused, Upstream
from job_worker.upstream.uses import Rate

_QUOTA: Final = b"rate limit exceeded"


class UsePayload(BaseModel):
    """Which picture is used."""

    model_config = ConfigDict(extra="forbid")

    job: Annotated[str, Field(min_length=36, max_length=36, description="The search that has found it")]
    image: Annotated[str, Field(min_length=1, max_length=64, description="Its id in that job's result")]


class UseResult(BaseModel):
    """What was done."""

    reported: Annotated[bool, Field(description="False if its provider does not ask for it")]


class _Image(BaseModel):
    id: str
    download_location: str | None = None


class _Result(BaseModel):
    images: list[_Image]


_RESULT: TypeAdapter[_Result] = TypeAdapter(_Result)


class UseReports:
    """Reports uses.

    Parameters
    ----------
    jobs, results
        The collections in which a search and its result are looked up.
    upstream
        Unsplash with its quota: reports count like searches.
    askings, keys
        What asks with each key, and the keys, by their names; empty without any.
    base_url
        Where Unsplash's API is, and nothing else is called.
    """

    def __init__(
        self,
        *,
        jobs: Any,
        results: Any,
        upstream: Upstream,
        askings: Mapping[str, Asking],
        keys: Mapping[str, SecretStr],
        base_url: str,
    ) -> None:
        self._jobs, self._results = jobs, results
        self._upstream, self._askings, self._keys = upstream, askings, keys
        self._base_url = base_url

    async def report(self, payload: UsePayload, context: TaskContext) -> bool:
        """Report a use; false if the picture's provider does not ask for that.

        Raises
        ------
        JobsOwnFault
            There is no such picture in that job's result.
        TaskError
            Unsplash did not take it; its class says what happens next.
        """
        location = await self._location(payload)
        if location is None:
            return False
        if not self._is_of_the_api(location):
            raise JobsOwnFault("the result names a place to report to that is not Unsplash's")
        if not self._keys:
            raise KeyRefused("a use cannot be reported without UNSPLASH__ACCESS_KEY")
        async with self._upstream.call(job=context.job_id, owner=context.owner) as name:
            await self._tell(location, name)
        return True

    async def _tell(self, location: str, name: str) -> None:
        asking, key = self._askings[name], self._keys[name].get_secret_value()
        headers = {"Authorization": f"Client-ID {key}", "Accept-Version": "v1"}
        answer = await asking.get(location, headers=headers)
        # Unsplash says 403 when the quota is used up.
        spent = answer.headers.get("x-ratelimit-remaining") == "0" or _QUOTA in answer.body[:1_000].lower()
        asking.judge(answer, used_up=answer.status == 403 and spent)

    async def _location(self, payload: UsePayload) -> str | None:
        job = await self._jobs.find_one({"_id": payload.job, "task": "image.search"}, {"version": 1})
        # A result lies under the version of the record that ran, which the move to `succeeded` has counted up.
        key = job and {"job": payload.job, "version": job["version"] - 1}
        result = key and await self._results.find_one({"_id": key}, {"result": 1})
        if not result:
            raise JobsOwnFault("there is no result of such a search")
        try:
            images = _RESULT.validate_json(result["result"]).images
        except ValidationError:
            raise JobsOwnFault("the result is not that of a search for pictures") from None
        for image in images:
            if image.id == payload.image:
                return image.download_location
        raise JobsOwnFault("that search has found no such picture")

    def _is_of_the_api(self, location: str) -> bool:
        if any(char <= " " or char in "\\\x7f" for char in location):
            return False
        try:
            parts, own = urlsplit(location), urlsplit(self._base_url)
        except ValueError:
            return False
        return (parts.scheme, parts.netloc) == (own.scheme, own.netloc)


@asynccontextmanager
async def open_reports(environment: TaskEnvironment) -> AsyncIterator[UseReports]:
    """Open what reports need."""
    unsplash = ImageSearchSettings().unsplash
    keys = unsplash.keys()
    upstream = environment.upstreams.open(
        "unsplash",
        task="image.search",
        timeout=unsplash.timeout,
        rates=[Rate(unsplash.quota, unsplash.quota_window)],
        keys=[*keys],
    )
    async with unsplash_client(unsplash) as client:
        askings = {
            name: Asking(
                name="Unsplash",
                client=client,
                timeout=unsplash.timeout,
                window=unsplash.quota_window,
                now=environment.now,
                told=partial(upstream.told, name),
            )
            for name in keys
        }
        yield UseReports(
            jobs=environment.collection(Collection.JOBS),
            results=environment.collection(Collection.RESULTS),
            upstream=upstream,
            askings=askings,
            keys=keys,
            base_url=unsplash.base_url,
        )

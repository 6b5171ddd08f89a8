"""The provider that asks Unsplash."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Literal

import httpx
from pydantic import SecretStr, ValidationError

from job_worker.outbound import ACCEPT_ENCODING, UnreadableAnswerError, read_bounded, retry_after
from job_worker.tasks.errors import JobsOwnFault, RateLimited, Retry
from job_worker.tasks.image_search.answers import pictures
from job_worker.tasks.image_search.pictures import Picture, SearchPayload
from job_worker.tasks.image_search.settings import UnsplashSettings, is_loopback
from job_worker.upstream.calls import KeyRefused

LIMIT: Final = 1024 * 1024
"""Bytes of an answer that are read; 30 photographs take about 150 KiB."""

_QUOTA_WORDS: Final = b"rate limit exceeded"


def unsplash_client(settings: UnsplashSettings) -> httpx.AsyncClient:
    """Return the HTTP client for Unsplash; it holds no key, so it cannot tell it."""
    return httpx.AsyncClient(
        headers={"Accept-Version": "v1", "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING},
        timeout=settings.timeout.total_seconds(),
        follow_redirects=False,
        # A proxy of the environment is for the way out; a stand-in on this machine is not reached through it.
        trust_env=not is_loopback(settings.base_url),
    )


class UnsplashKeyRefused(KeyRefused):
    """The same for every search with this key: what the poison brake is there for."""


class UnsplashProvider:
    """Searches photographs on Unsplash.

    Bytes of photographs never pass through here: Unsplash's terms ask to show them from the
    URLs it gives, with the photographer's name.

    Parameters
    ----------
    told
        Is called with what each answer says to be left of the quota of the key.
    """

    name: Literal["unsplash"] = "unsplash"
    hosting: Literal["hotlink"] = "hotlink"

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        key: SecretStr,
        settings: UnsplashSettings,
        now: Callable[[], datetime],
        told: Callable[[int], None],
    ) -> None:
        self._client, self._key, self._settings = client, key, settings
        self._now, self._told = now, told

    async def search(
        self, payload: SearchPayload, progress: Callable[[float, str | None], Awaitable[None]]
    ) -> list[Picture]:
        """Return what Unsplash finds.

        Raises
        ------
        Reject
            Unsplash refuses our key or the request.
        RateLimited
            The quota of our key is used up: until the upstream says, or for a whole window of it.
        Retry
            Unsplash is away, broken, slow, or its answer is not what its documentation says.
        """
        await progress(10, "asking Unsplash")
        try:
            # One limit for the whole: a server that sends a byte a second never exceeds a limit per read.
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                answer, body = await self._ask(payload)
        except (TimeoutError, httpx.TimeoutException):
            raise Retry("Unsplash did not answer in time") from None
        except httpx.HTTPError as error:
            # Not the error's own text: it may quote what was sent.
            raise Retry(f"Unsplash could not be reached or broke off: {type(error).__name__}") from None
        except UnreadableAnswerError as error:
            raise Retry(f"Unsplash's answer cannot be read: {error}") from None
        self._judge(answer, body)
        try:
            return pictures(body, base_url=self._settings.base_url, app_name=self._settings.app_name)[
                : payload.count
            ]
        except ValidationError as error:
            raise Retry(f"Unsplash's answer is not what it should be: {_first(error)}") from None

    async def _ask(self, payload: SearchPayload) -> tuple[httpx.Response, bytes]:
        parameters = {"query": payload.query, "per_page": str(payload.count)}
        if payload.orientation:
            parameters["orientation"] = payload.orientation.value
        request = self._client.build_request(
            "GET",
            f"{self._settings.base_url}/search/photos",
            params=parameters,
            headers={"Authorization": f"Client-ID {self._key.get_secret_value()}"},
        )
        response = await self._client.send(request, stream=True)
        try:
            return response, await read_bounded(response, LIMIT)
        finally:
            await response.aclose()

    def _judge(self, answer: httpx.Response, body: bytes) -> None:
        """Raise unless the answer is one."""
        status = answer.status_code
        wait = retry_after(answer.headers, self._now())
        remaining = answer.headers.get("x-ratelimit-remaining", "")
        if status == 429 or (status == 403 and (remaining == "0" or _QUOTA_WORDS in body[:1000].lower())):
            raise RateLimited("Unsplash's quota is used up", until=wait or self._settings.quota_window)
        if remaining.isascii() and remaining.isdigit():
            self._told(int(remaining[:9]))
        if status == 401:
            raise UnsplashKeyRefused("Unsplash does not know our access key (401)")
        if status == 403:
            raise UnsplashKeyRefused("Unsplash does not let our access key search (403)")
        if 400 <= status < 500:
            raise JobsOwnFault(f"Unsplash refused the search ({status})")
        if status != 200:
            raise Retry(f"Unsplash answered {status}", after=wait)


def _first(error: ValidationError) -> str:
    """Say where an answer first differs from its schema, without quoting from it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"/{'/'.join(str(part) for part in first['loc'])}: {first['type']}"

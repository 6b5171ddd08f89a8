"""Asks a provider's API: with limits of time and size, and a verdict on each answer."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import httpx
from pydantic import ValidationError

from job_worker.outbound import ACCEPT_ENCODING, UnreadableAnswerError, read_bounded, retry_after
from job_worker.tasks.errors import JobsOwnFault, RateLimited, Retry
from job_worker.upstream.calls import KeyRefused

LIMIT: Final = 1024 * 1024
"""Bytes of an answer that are read; 30 pictures take far fewer."""


class Answer(NamedTuple):
    """What an API has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Asking:
    """Sends requests to one API.

    Parameters
    ----------
    name
        The provider's, for texts.
    timeout
        Longest wait for a whole answer.
    window
        How long a quota is waited for that is used up and does not say until when.
    told
        Is called with what each answer says to be left of the quota.
    """

    def __init__(
        self,
        *,
        name: str,
        client: httpx.AsyncClient,
        timeout: timedelta,
        window: timedelta,
        now: Callable[[], datetime],
        told: Callable[[int], None] | None = None,
    ) -> None:
        self._name, self._client, self._timeout = name, client, timeout.total_seconds()
        self._window, self._now, self._told = window, now, told

    async def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer, whatever its status.

        Raises
        ------
        Retry
            There is none, or none that can be read. Its text quotes nothing that was sent: it may hold a key.
        """
        try:
            # One limit for the whole: a server that sends a byte a second never exceeds a limit per read.
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("GET", url, params=params, headers=headers) as response,
            ):
                return Answer(response.status_code, response.headers, await read_bounded(response, LIMIT))
        except (TimeoutError, httpx.TimeoutException):
            raise Retry(f"{self._name} did not answer in time") from None
        except httpx.HTTPError as error:
            raise Retry(f"{self._name} could not be reached or broke off: {type(error).__name__}") from None
        except UnreadableAnswerError as error:
            raise Retry(f"{self._name}'s answer cannot be read: {error}") from None

    def judge(self, answer: Answer, *, used_up: bool = False, wait: timedelta | None = None) -> None:
        """Raise unless the answer is one to go on with.

        Parameters
        ----------
        used_up
            Whether it says that there is no quota left, where its status alone does not.
        wait
            How long the quota stays so, where the answer says it in words of its own.

        Raises
        ------
        TaskError
            Its class says what happens next.
        """
        status = answer.status
        wait = retry_after(answer.headers, self._now()) or wait
        if status == 429 or used_up:
            raise RateLimited(f"{self._name}'s quota is used up", until=wait or self._window)
        remaining = answer.headers.get("x-ratelimit-remaining", "")
        if self._told and remaining.isascii() and remaining.isdigit():
            self._told(int(remaining[:9]))
        if status in {401, 403}:
            raise KeyRefused(f"{self._name} does not let us in ({status})")
        if 400 <= status < 500:
            raise JobsOwnFault(f"{self._name} refused the request ({status})")
        if not 200 <= status < 300:
            raise Retry(f"{self._name} answered {status}", after=wait)

    def unfit(self, error: ValidationError) -> Retry:
        """Return what to raise of an answer that is not what its documentation says."""
        # Without quoting from it.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = f"/{'/'.join(str(part) for part in first['loc'])}: {first['type']}"
        return Retry(f"{self._name}'s answer is not what it should be: {where}")


def api_client(timeout: timedelta, *, loopback: bool) -> httpx.AsyncClient:
    """Return the HTTP client for an API; it holds no key, so it cannot tell it."""
    return httpx.AsyncClient(
        headers={"Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING, "User-Agent": "Jobstream"},
        timeout=timeout.total_seconds(),
        follow_redirects=False,
        # A proxy of the environment is for the way out; a stand-in on this machine is not reached through it.
        trust_env=not loopback,
    )

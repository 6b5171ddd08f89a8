"""Fetches the bytes of pictures, from the places of one provider and from nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from urllib.parse import urljoin

import httpx

from job_worker.outbound import (
    Allowed,
    BadUrlError,
    GuardedClient,
    OutboundRefusedError,
    Policy,
    Target,
    UnreadableAnswerError,
    guarded_client,
    read_bounded,
)
from job_worker.tasks.image_search.developing import NoPictureError
from job_worker.tasks.image_search.settings import is_loopback

LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a picture; a photograph of 40 megapixels has fewer."""

_NOT_THEIRS: Final = "it is not at one of the provider's addresses"
_HEADERS: Final = {
    "Accept": "image/webp,image/jpeg,image/png",
    # Packed once more, a picture is no smaller, but a bomb is.
    "Accept-Encoding": "identity",
    "User-Agent": "Jobstream",
}
_REDIRECTS: Final = 3
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


class DownloadError(NoPictureError):
    """The bytes did not come."""


class Downloads:
    """Fetches pictures.

    Parameters
    ----------
    origins
        Whose pictures may be fetched, such as `https://images.example.org`.
    timeout
        Longest wait for a whole picture.
    """

    def __init__(
        self, client: GuardedClient, *, origins: Collection[str], timeout: timedelta, limit: int = LIMIT
    ) -> None:
        self._client, self._origins, self._limit = client, frozenset(origins), limit
        self._timeout = timeout.total_seconds()

    async def fetch(self, url: str) -> bytes:
        """Return what lies at the URL.

        Raises
        ------
        DownloadError
            It is not one of the provider's, is too large, or did not come.
        """
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(_REDIRECTS + 1):
                    found = await self._get(self._target(url))
                    if isinstance(found, bytes):
                        return found
                    url = urljoin(url, found)
        except ValueError:  # of urljoin: where it is sent cannot be read
            raise DownloadError(_NOT_THEIRS) from None
        except TimeoutError:
            raise DownloadError("it did not come in time", passing=True) from None
        raise DownloadError("it was sent from place to place")

    async def _get(self, target: Target) -> bytes | str:
        """Return the bytes, or where they are said to be."""
        try:
            async with self._client.stream("GET", target, headers=_HEADERS) as answer:
                if answer.status_code in _MOVED:
                    return str(answer.headers.get("location", ""))
                if answer.status_code != 200:
                    passing = answer.status_code >= 500 or answer.status_code == 429
                    raise DownloadError(f"its server answered {answer.status_code}", passing=passing)
                return await read_bounded(answer, self._limit)
        except UnreadableAnswerError as error:
            raise DownloadError(str(error)) from None
        except OutboundRefusedError as error:
            raise DownloadError(str(error)) from None
        except httpx.HTTPError as error:
            raise DownloadError(f"its server broke off: {type(error).__name__}", passing=True) from None

    def _target(self, url: str) -> Target:
        try:
            target = Target.of(url)
        except BadUrlError:
            raise DownloadError(_NOT_THEIRS) from None
        if target.origin not in self._origins:
            raise DownloadError(_NOT_THEIRS)
        return target


@asynccontextmanager
async def open_downloads(origins: Collection[str], timeout: timedelta) -> AsyncIterator[Downloads]:
    """Open what fetches pictures from these origins.

    What their names lead to is checked and held fast like any address that others name. A stand-in on this machine is
    allowed by its own address, which only a test names.
    """
    stand_ins = [Allowed.of(origin.partition("//")[2]) for origin in origins if is_loopback(origin)]
    async with guarded_client(Policy(allowed=stand_ins)) as client:
        yield Downloads(client, origins=origins, timeout=timeout)

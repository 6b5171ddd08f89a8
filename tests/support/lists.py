"""Reading `GET /jobs` to its end, as a client does that was told to read anew."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import cycle, islice
from typing import Any, Final

import httpx

_TRIES: Final = 100
_PAUSE: Final = 0.3
"""Seconds between a replica that did not answer and the next one."""


async def listed(urls: Sequence[str], query: str = "") -> AsyncIterator[dict[str, Any]]:
    """Give the view of every job that the query asks for; who does not answer is followed by the next replica.

    Raises
    ------
    ConnectionError
        Nobody has answered, again and again.
    """
    params: httpx.QueryParams | None = httpx.QueryParams(query).merge({"limit": "200"})
    for url in islice(cycle(urls), _TRIES):
        try:
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
                while params is not None:
                    page = (await client.get("/jobs", params=params)).raise_for_status().json()
                    more = page["next_cursor"]
                    params = params.merge({"cursor": more}) if more else None
                    for view in page["jobs"]:
                        yield view
        except httpx.HTTPError:
            await asyncio.sleep(_PAUSE)
            continue
        return
    raise ConnectionError(f"no list after {_TRIES} tries at {', '.join(urls)}")

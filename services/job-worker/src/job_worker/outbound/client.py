"""The HTTP client for addresses that others name."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from job_worker.outbound.bounded import ACCEPT_ENCODING
from job_worker.outbound.policy import Policy
from job_worker.outbound.resolving import Resolve, SystemResolver
from job_worker.outbound.target import Target
from job_worker.outbound.transport import GuardedBackend, GuardedTransport

_TO_CONNECT: Final = timedelta(seconds=5)
"""For each address: of several, one that swallows all packets must not take the whole time."""


class GuardedClient:
    """Calls only what its policy lets it.

    It is less than httpx's own client on purpose: no cookies, as its calls belong to different
    people; no redirects, which httpx would parse in its own way even when it does not follow
    them; and no proxy, which would resolve names on its own, behind the check.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        target: Target,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request; its answer can be read, by `read_bounded`, while the context is open.

        How long connecting may take is limited, and nothing else: bound the whole call.

        Raises
        ------
        OutboundRefusedError
            The address may not be called.
        httpx.TransportError
            Nobody answers, or breaks off.
        """
        request = httpx.Request(
            method,
            target.url,
            headers={"accept-encoding": ACCEPT_ENCODING, **(headers or {})},
            content=content,
            extensions={"timeout": {"connect": _TO_CONNECT.total_seconds()}},
        )
        response = await self._transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()


@asynccontextmanager
async def guarded_client(
    policy: Policy, *, authorities: Path | None = None, resolve: Resolve | None = None
) -> AsyncIterator[GuardedClient]:
    """Open a client for a policy.

    Parameters
    ----------
    authorities
        A PEM file of authorities to believe besides the usual ones.
    resolve
        How names become addresses; the system's way by default.
    """
    with SystemResolver() as system:
        backend = GuardedBackend(policy, resolve=resolve or system)
        async with GuardedTransport(backend, tls=_tls(authorities)) as transport:
            yield GuardedClient(transport)


def _tls(authorities: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context

"""Connects to exactly the address that was checked, so that a name cannot lead elsewhere a moment later.

A check before the request is worth nothing if the client then resolves the name again: the
second answer may be 127.0.0.1 (DNS rebinding). Here the name is resolved once for each
connection, every address is judged, and the socket goes to one of those. TLS still speaks to
the name (SNI, certificate), since only the network below it is told the address.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Final

import httpcore
import httpx

from job_worker.outbound.addresses import Address
from job_worker.outbound.policy import Policy
from job_worker.outbound.resolving import Resolve

_IN_HTTPX: Final[Mapping[type[Exception], type[httpx.TransportError]]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """The network as the policy lets it be seen."""

    def __init__(
        self, policy: Policy, *, resolve: Resolve, network: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._policy, self._resolve = policy, resolve
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an address of the host.

        Raises
        ------
        OutboundRefusedError
            One of its addresses may not be called: a name that also leads to a forbidden place is up to something.
        httpcore.ConnectError
            It has none, or none answers.
        """
        addresses = await self._addresses(host)
        for address in addresses:
            self._policy.judge(host, port, address)
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str) -> Sequence[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            return await self._resolve(host)
        except OSError as error:
            raise httpcore.ConnectError("the name has no address") from error


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests of an httpx client by a guarded network; connections are kept by name, not by address."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, *, tls: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=5,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        url = request.url
        with _in_words_of_httpx():
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _in_words_of_httpx():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _in_words_of_httpx() -> Iterator[None]:
    try:
        yield
    except tuple(_IN_HTTPX) as error:
        raise _IN_HTTPX[type(error)](str(error)) from error

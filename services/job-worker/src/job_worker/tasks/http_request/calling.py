"""One attempt at a call: follows redirects if it may, and turns each answer into what happens next."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Final
from urllib.parse import urldefrag, urljoin

import httpx

from job_worker.outbound import (
    BadUrlError,
    GuardedClient,
    OutboundRefusedError,
    Target,
    TooManyBytesError,
    UnreadableAnswerError,
    read_bounded,
    retry_after,
)
from job_worker.tasks.context import TaskContext
from job_worker.tasks.errors import JobsOwnFault, JobsOwnTrouble, RateLimited, TaskError
from job_worker.tasks.http_request.answers import Answer, answer_of, extract_of
from job_worker.tasks.http_request.hosts import Hosts
from job_worker.tasks.http_request.payload import RequestPayload, Secret
from job_worker.tasks.http_request.secrets import Redaction, Vault
from job_worker.tasks.walls import understood

USER_AGENT: Final = f"jobstream/{version('job-worker')}"

_MARGIN: Final = 0.5
"""Seconds: a call ends this much before its attempt does, so that the reason is told and not only the limit."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429})
"""Refusals that say "not now" (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4)."""

_DOWN: Final = frozenset({502, 503, 504})
"""What stands before a host says of it, or the host of all its calls (RFC 9110, 15.6.3 to 15.6.5)."""

_GO_ANYWHERE: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})
"""Headers of a job that may follow a redirect to another origin."""

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class AddressRefused(JobsOwnFault):
    """The address may not be called."""


class RedirectRefused(JobsOwnFault):
    """The upstream sends us where we do not go."""


class UnexpectedStatus(JobsOwnFault):
    """The upstream refuses, or its answer has another status than the job expects."""


class AnswerTooLarge(JobsOwnFault):
    """The answer has more bytes than the operator allows."""


class UpstreamNotReached(JobsOwnTrouble):
    """Nobody answered."""

    connected: bool = True
    """Whether there was a connection: what broke it off may have been this one call."""


class UpstreamTooSlow(JobsOwnTrouble):
    """The answer was not there in time."""


class UpstreamTrouble(JobsOwnTrouble):
    """The upstream says, or shows by a broken answer, that it cannot answer now."""


class Caller:
    """Makes calls for jobs.

    Parameters
    ----------
    limit
        Bytes of an answer.
    now
        The server's time.
    """

    def __init__(
        self, *, client: GuardedClient, hosts: Hosts, vault: Vault, limit: int, now: Callable[[], datetime]
    ) -> None:
        self._client, self._hosts, self._vault, self._limit, self._now = client, hosts, vault, limit, now

    async def call(self, payload: RequestPayload, context: TaskContext) -> Answer:
        """Return the answer, if it is one of those the job expects.

        Raises
        ------
        JobsOwnFault
            The answer is no: by us, by the upstream, or by the guard.
        JobsOwnTrouble
            Another attempt may work.
        RateLimited
            The upstream says when it may be called again, or its host is down and is left alone for so long.
        """
        seconds = payload.timeout
        if context.timeout is not None:
            seconds = min(seconds, max(context.timeout - _MARGIN, 0.9 * context.timeout))
        try:
            # One limit for the whole: a server that sends a byte a second never exceeds a limit per read.
            until = asyncio.get_running_loop().time() + seconds
            with understood(Target.of(payload.url).host, UpstreamTrouble):
                return await self._follow(payload, context, until)
        except TimeoutError:
            raise UpstreamTooSlow(
                f"{Target.of(payload.url).host} did not answer within {seconds:g} s"
            ) from None

    async def _follow(self, payload: RequestPayload, context: TaskContext, until: float) -> Answer:
        first = target = Target.of(payload.url)
        content, content_type = payload.content()
        method, secrets = payload.method.value, set[str]()
        for left in range(payload.redirects, -1, -1):
            headers = self._headers(payload, context, first=first, target=target, secrets=secrets)
            if content is not None:
                headers = {"content-type": content_type} | headers
            redaction = Redaction(secrets)
            response, body = await self._hosts.call(
                target,
                job=context.job_id,
                owner=context.owner,
                until=until,
                ask=partial(self._ask, method, target, headers, content, needed=payload.expects),
                is_down=partial(_says_down, needed=payload.expects),
            )
            status = response.status_code
            context.log(f"{method} {target.origin}: {status}, {len(body)} bytes")
            if payload.expects(status):
                return answer_of(response, body, url=target.url, redaction=redaction)
            if status not in _REDIRECTS or "location" not in response.headers:
                raise self._verdict(response, body, target, redaction)
            if left == 0:
                raise RedirectRefused(
                    f"{target.host} answered {status} and sends us elsewhere; the job follows "
                    f"{payload.redirects or 'no'} redirects"
                )
            target = _next(target, response.headers["location"])
            if status == 303 or (status in {301, 302} and method == "POST"):
                # RFC 9110, 15.4: what everybody does with these.
                method, content = "HEAD" if method == "HEAD" else "GET", None
        raise AssertionError("the last round of the loop returns or raises")

    def _headers(
        self,
        payload: RequestPayload,
        context: TaskContext,
        *,
        first: Target,
        target: Target,
        secrets: set[str],
    ) -> dict[str, str]:
        """Return the headers for this hop, and add the secrets among them to `secrets`."""
        headers = {"user-agent": USER_AGENT, "accept": "*/*", "idempotency-key": context.job_id}
        if context.traceparent is not None and _TRACEPARENT.fullmatch(context.traceparent):
            headers["traceparent"] = context.traceparent
        is_home = target.origin == first.origin
        for name, value in payload.headers.items():
            if not is_home and (isinstance(value, Secret) or name.lower() not in _GO_ANYWHERE):
                continue
            if isinstance(value, Secret):
                value = self._vault.value(value.secret, target)  # noqa: PLW2901  from its name to its value
                secrets.add(value)
            headers[name.lower()] = value
        return headers

    async def _ask(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        needed: Callable[[int], bool],
    ) -> tuple[httpx.Response, bytes]:
        """Return the answer and its body, which is empty if it cannot be read and nobody needs it."""
        try:
            async with self._client.stream(method, target, headers=headers, content=content) as response:
                try:
                    return response, await read_bounded(response, self._limit)
                except UnreadableAnswerError as error:
                    if not needed(response.status_code):
                        return response, b""
                    kind = AnswerTooLarge if isinstance(error, TooManyBytesError) else UpstreamTrouble
                    raise kind(f"the answer of {target.host} cannot be kept: {error}") from None
        except OutboundRefusedError as error:
            raise AddressRefused(str(error)) from None
        except httpx.HTTPError as error:
            # Not the error's own text: it may quote what was sent.
            trouble = UpstreamNotReached(
                f"{target.host} could not be reached or broke off: {_name_of(error)}"
            )
            trouble.connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            raise trouble from None

    def _verdict(
        self, response: httpx.Response, body: bytes, target: Target, redaction: Redaction
    ) -> Exception:
        """Return what follows from a status that the job does not expect."""
        status, wait = response.status_code, retry_after(response.headers, self._now())
        extract = extract_of(response, body, redaction)
        said = f"{target.host} answered {status}" + (f": {extract}" if extract else "")
        if status == 429 and wait is not None:
            return RateLimited(said, until=wait)
        if status in _PASSING or status >= 500:
            return UpstreamTrouble(said, after=wait)
        return UnexpectedStatus(said)


def _says_down(said: tuple[httpx.Response, bytes] | TaskError, *, needed: Callable[[int], bool]) -> bool:
    """Whether what came of a call says that its host is down, and not only that it takes this one call badly."""
    if isinstance(said, TaskError):
        return isinstance(said, UpstreamNotReached) and not said.connected
    status = said[0].status_code
    return status in _DOWN and not needed(status)


def _next(target: Target, location: str) -> Target:
    """Return where a redirect leads.

    Raises
    ------
    RedirectRefused
        It leads nowhere, or away from TLS.
    """
    try:
        to = Target.of(urldefrag(urljoin(target.url, location)).url)
    except ValueError as error:
        why = str(error) if isinstance(error, BadUrlError) else "it is no URL"
        raise RedirectRefused(f"{target.host} sends us to what is not followed: {why}") from None
    if target.scheme == "https" and to.scheme == "http":
        raise RedirectRefused(f"{target.host} sends us away from https to http")
    return to


def _name_of(error: httpx.HTTPError) -> str:
    """Return the kind of error, or what is wrong with a certificate."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__

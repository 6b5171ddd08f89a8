"""Checks whom a request was meant for, and which website sent it, before anything else reads it.

A browser sends requests on behalf of any website. A name that a stranger points at this address shows in `Host`;
a call from another site shows in `Origin` and `Sec-Fetch-Site`. Programs that are no browsers send neither.
"""

import re
from typing import Any, Final

from api.answers import is_json, send_problem
from api.problems import FOREIGN_ORIGIN, MISDIRECTED, UNSUPPORTED_MEDIA_TYPE, Problem
from service_chassis.server import AsgiApp, Receive, Scope, Send

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9_.-]*[a-z0-9_-])\.?(?::\d{1,5})?", re.IGNORECASE)
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}


class OriginGuard:
    """Passes requests on that are meant for this service and come from no other website.

    Parameters
    ----------
    hosts
        Names it is known by, besides loopback and the address that a connection came to.
    origins
        Origins of websites that may call, besides the one it is itself.
    """

    def __init__(self, app: AsgiApp, *, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._app, self._hosts, self._origins = app, hosts | LOOPBACK, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and (problem := self._fault(scope)) is not None:
            await send_problem(scope, send, problem)
            return
        await self._app(scope, receive, send)

    def _fault(self, scope: Scope) -> Problem | None:
        host, hosts, site = b"", 0, b""
        origins: list[bytes] = []
        media_type, has_body = b"", False
        for name, value in scope["headers"]:
            if name == b"host":
                host, hosts = value, hosts + 1
            elif name == b"origin":
                origins.append(value)
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"content-type":
                media_type = value
            elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
                has_body = True
        if hosts != 1 or not self._knows(host, scope):
            return Problem(MISDIRECTED, "the Host is none of this service's: see HTTP__HOSTS")
        is_safe = scope["method"] in _SAFE
        # A stream takes a place for as long as it lasts, so another site may not open one either.
        if (not is_safe or scope["path"].endswith("/events")) and self._is_foreign(host, origins, site):
            return Problem(FOREIGN_ORIGIN, "another website sent this: see HTTP__ORIGINS")
        if not is_safe and has_body and not is_json(media_type):
            return Problem(UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json")
        return None

    def _knows(self, host: bytes, scope: Scope) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match.group(1).decode("ascii").lower()
        return name in self._hosts or name == _address_of(scope)

    def _is_foreign(self, host: bytes, origins: list[bytes], site: bytes) -> bool:
        if not origins:
            return site not in (b"", b"same-origin", b"none")
        own = host.decode("latin-1").lower()
        trusted = 0
        for raw in origins:
            origin = raw.decode("latin-1").lower()
            scheme, _, place = origin.partition("://")
            if origin in self._origins:
                trusted += 1
            elif scheme not in _DEFAULT_PORT or place != own.removesuffix(_DEFAULT_PORT[scheme]):
                return True
        return trusted != len(origins) and site not in (b"", b"same-origin", b"none")


def _address_of(scope: Scope) -> str:
    # Nobody can point a name at it unseen: it is no name.
    server: Any = scope.get("server")
    if not server:
        return ""
    return f"[{server[0]}]" if ":" in server[0] else str(server[0])

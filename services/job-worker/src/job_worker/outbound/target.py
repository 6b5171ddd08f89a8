"""A URL that means the same to whoever reads it: anything that two parsers might read differently is refused."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Self

MAX_LENGTH: Final = 8_192

_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([1-9][0-9]{0,4}))?")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_LIKE_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")


class BadUrlError(ValueError):
    """The text is no URL that can be called; says why without repeating it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Parameters
    ----------
    host
        A name in small letters, or an address without brackets.
    path
        With the query; percent-encoding is left as it is.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a URL.

        Raises
        ------
        BadUrlError
            It has what no URL needs and attackers use: user information, a fragment, control
            characters, backslashes, letters beyond ASCII (an international name is written as
            `xn--…`), percent signs or a dot at the end of the host, or an IPv4 address in any
            form but four plain numbers.

        >>> Target.of("https://example.org:8443/a?b=c")
        Target(scheme='https', host='example.org', port=8443, path='/a?b=c')
        """
        if len(text) > MAX_LENGTH:
            raise BadUrlError(f"the URL has more than {MAX_LENGTH} characters")
        if not all("!" <= char <= "~" for char in text):
            raise BadUrlError("the URL has spaces, control characters or letters beyond ASCII: encode them")
        if "\\" in text:
            raise BadUrlError("the URL has a backslash")
        match = _URL.fullmatch(text)
        if match is None:
            raise BadUrlError("the URL must be http:// or https:// with a host, and have no fragment (#…)")
        scheme, authority = match[1].lower(), match[2]
        if "@" in authority:
            raise BadUrlError("the URL has user information (…@): a secret is given by its name")
        parts = _AUTHORITY.fullmatch(authority)
        if parts is None:
            raise BadUrlError("the URL has no host, or one with a port that is no number")
        port = int(parts[2]) if parts[2] else _PORTS[scheme]
        if port > 65_535:
            raise BadUrlError("the URL has a port above 65535")
        return cls(scheme, host_of(parts[1]), port, f"{match[3] or '/'}{match[4] or ''}")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as they stand at the beginning of a URL.

        >>> Target.of("https://[2606:2800:220:1:0:0:0:1]/x").origin
        'https://[2606:2800:220:1::1]'
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        """The whole, in one way of writing."""
        return f"{self.origin}{self.path}"


def host_of(text: str) -> str:
    """Return a host in its one way of writing: a name in small letters, or an address without brackets.

    Raises
    ------
    BadUrlError
        It is neither.

    >>> host_of("Example.org"), host_of("[::ABCD]")
    ('example.org', '::abcd')
    """
    if text.startswith("["):
        try:
            return IPv6Address(text[1:-1]).compressed
        except ValueError:
            raise BadUrlError("the host is no IPv6 address") from None
    name = text.lower()
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrlError("the host is no name: letters, digits and hyphens between single dots")
    if _LOOKS_LIKE_NUMBER.fullmatch(labels[-1]):
        # What ends in a number is an address to browsers (WHATWG URL, 3.5) and to getaddrinfo: octal, hex and all.
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise BadUrlError("the host is an IPv4 address in an unusual form") from None
    return name

"""Addresses that a provider names: only the web's own pass, for the page makes links and pictures of them."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from job_worker.tasks.image_search.settings import is_loopback


def _safe(url: str, info: ValidationInfo) -> str:
    if any(char <= " " or char == "\x7f" for char in url):
        raise ValueError("has blanks or control characters")
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc or "\\" in url:
        raise ValueError("has no plain host")
    loopback_is_fine = bool(info.context and info.context["loopback"])
    if parts.scheme != "https" and not (
        loopback_is_fine and parts.scheme in {"http", "https"} and is_loopback(url)
    ):
        raise ValueError("is not https")
    return url


WebAddress = Annotated[str, Field(max_length=2_048), AfterValidator(_safe)]
"""An address over https; over http only on this machine, where a stand-in of a provider may be."""


def _link_or_none(url: object) -> object:
    """Return a link for a person to follow, or None.

    >>> _link_or_none("http://museum.example/1"), _link_or_none("javascript:alert(1)"), _link_or_none(7)
    ('http://museum.example/1', None, None)
    """
    if not isinstance(url, str) or len(url) > 2_048 or any(char <= " " or char in "\\\x7f" for char in url):
        return None
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return url if is_plain and parts.scheme in {"http", "https"} else None


Link = Annotated[str | None, BeforeValidator(_link_or_none)]
"""A link to a picture's source or maker: old sites have no https, and one that is no link is left out."""

"""What is kept of an answer: its status, headers that are safe to show, and its body."""

import base64
from typing import Annotated, Any, Final, Literal

import httpx
import msgspec
from pydantic import BaseModel, Field

from job_contracts import strict_json
from job_contracts.strict_json import MAX_DEPTH
from job_worker.tasks.http_request.secrets import Redaction

KEPT_HEADERS: Final = (
    *("content-type", "content-language", "content-location", "date", "etag", "last-modified", "link"),
    *("location", "retry-after", "x-request-id", "x-correlation-id", "x-total-count"),
    *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
    *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
)
"""Shown to whoever may see the job: no cookies, no challenges, nothing about the machines behind."""

_LONGEST_VALUE: Final = 1_000
_EXTRACT: Final = 300

_CHARSETS: Final = frozenset(
    {"utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16"}
)
"""Python knows more, but an upstream must not choose among decoders of which some take ages."""


class Answer(BaseModel):
    """What the upstream answered; all of it is foreign text: escape it."""

    status: int
    url: Annotated[str, Field(description="Where the answer came from, after redirects")]
    headers: Annotated[dict[str, str], Field(description="Some of them, names in small letters")]
    body: Annotated[Any, Field(description="Parsed if it is JSON")]
    body_is: Annotated[
        Literal["json", "text", "base64", "empty"],
        Field(description="What stands in body: a document, text, bytes that are no text, or nothing"),
    ]


def answer_of(response: httpx.Response, body: bytes, *, url: str, redaction: Redaction) -> Answer:
    """Return what is kept of an answer, without any secret that it repeats."""
    content, kind = _content(response, body, redaction)
    headers = {
        name: redaction.text(response.headers[name])[:_LONGEST_VALUE]
        for name in KEPT_HEADERS
        if name in response.headers
    }
    return Answer(
        status=response.status_code, url=redaction.text(url), headers=headers, body=content, body_is=kind
    )


def extract_of(response: httpx.Response, body: bytes, redaction: Redaction) -> str:
    """Return the beginning of an answer that is text, on one line, for an error message; empty if it is none."""
    text = _text(response, body)
    if text is None:
        return ""
    # Taken out before it is cut: half a secret would not be found.
    line = " ".join("".join(char if char.isprintable() else " " for char in redaction.text(text)).split())
    return line if len(line) <= _EXTRACT else f"{line[:_EXTRACT]}…"


def _content(
    response: httpx.Response, body: bytes, redaction: Redaction
) -> tuple[Any, Literal["json", "text", "base64", "empty"]]:
    if not body:
        return None, "empty"
    text = _text(response, body)
    # No document may hold NUL.
    if text is None or "\0" in text:
        return base64.b64encode(redaction.data(body)).decode(), "base64"
    if _is_json(response):
        try:
            if not (strict_json.may_hold_unreadable(body) and strict_json.faults(text)):
                return redaction.document(msgspec.json.decode(text), levels=MAX_DEPTH), "json"
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            # It says it is JSON and is not, or is too deep for the api as well: what was sent is kept as it is.
            pass
    return redaction.text(text), "text"


def _is_json(response: httpx.Response) -> bool:
    kind = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _text(response: httpx.Response, body: bytes) -> str | None:
    charset = (response.charset_encoding or "utf-8").lower()
    if charset not in _CHARSETS:
        return None
    try:
        return body.decode(charset)
    except UnicodeDecodeError:
        return None

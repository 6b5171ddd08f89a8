"""What no JSON document may hold, wherever it stands, and where it was found.

A slow look at the text, token by token, taken only when the fast decoder refused the
document or a cheap look gave a hint. It does not judge whether the text is JSON.
"""

import math
import re
from typing import Final

from api.problems import FieldError, pointer_of

MAX_DEPTH: Final = 64
"""Levels below the document's own: deeper ones cost readers their stack."""

_MOST: Final = 20
# A string may lack its end: then it is all the rest, or a hostile text would be read over and over.
_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*"?|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_LONG_NUMBER: Final = re.compile(rb"[0-9]{300}")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\.", re.DOTALL)
_NOT_JSON: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def looks_suspicious(raw: bytes) -> bool:
    """Whether a closer look is worth its time; the decoder itself refuses the rest."""
    return (
        b"\\u0000" in raw
        or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH
        or (len(raw) > 300 and _LONG_NUMBER.search(raw) is not None)
    )


def faults(text: str) -> list[FieldError]:
    r"""Return what the document must not hold, each with its pointer.

    >>> faults('{"payload": {"a": [1, NaN]}}')
    [FieldError(pointer='/payload/a/1', detail='NaN is not a JSON number')]
    >>> faults('{"payload": "\\u0000"}')
    [FieldError(pointer='/payload', detail='a string must not hold NUL')]
    """
    found: list[FieldError] = []
    path: list[str | int] = []
    for match in _TOKEN.finditer(text):
        piece = match.group()
        if piece in "[{":
            path.append(0 if piece == "[" else "")
            if len(path) > MAX_DEPTH + 1:
                # Whatever stands behind is no better, and the pointer is long enough.
                where = pointer_of(path[:MAX_DEPTH])
                return [*found, FieldError(where, f"nested deeper than {MAX_DEPTH} levels")]
            continue
        if piece in "]}":
            if path:
                path.pop()
            continue
        if piece in ",:":
            if piece == "," and path and isinstance(path[-1], int):
                path[-1] += 1
            continue
        is_key = bool(path) and isinstance(path[-1], str) and _followed_by_colon(text, match.end())
        if is_key:
            path[-1] = piece[1:-1]
        if detail := _fault_of(piece):
            found.append(FieldError(pointer_of(path), detail))
            if len(found) >= _MOST:
                break
    return found


def _followed_by_colon(text: str, position: int) -> bool:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position < len(text) and text[position] == ":"


def _fault_of(token: str) -> str | None:
    if token[0] == '"':
        return _fault_of_string(token) if "\\u" in token else None
    if token in _NOT_JSON:
        return f"{token} is not a JSON number"
    if _NUMBER.fullmatch(token) and not _is_finite(token):
        return "the number is out of the range of a double"
    return None


def _is_finite(token: str) -> bool:
    return math.isfinite(float(token))


def _fault_of_string(token: str) -> str | None:
    high = False
    position = 0
    for match in _ESCAPE.finditer(token):
        code = int(match.group(1), 16) if match.group(1) else -1
        if high and (match.start() != position or not 0xDC00 <= code <= 0xDFFF):
            return "a string must not hold half a surrogate pair"
        if code == 0:
            return "a string must not hold NUL"
        if 0xDC00 <= code <= 0xDFFF and not high:
            return "a string must not hold half a surrogate pair"
        high = 0xD800 <= code <= 0xDBFF
        position = match.end()
    return "a string must not hold half a surrogate pair" if high else None

"""What no JSON document may hold, wherever it stands, and where it was found.

A slow look at the text, token by token, taken only when the fast decoder refused the
document or a cheap look gave a hint. It does not judge whether the text is JSON.
"""

import math
import re
from itertools import accumulate
from typing import Final

from api.problems import MAX_ERRORS, FieldError, pointer_of

MAX_DEPTH: Final = 64
"""Levels below the document's own: deeper ones cost readers their stack."""

# A string may lack its end: then it is all the rest, or a hostile text would be read over and over.
_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*"?|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_NO_STRUCTURE: Final = _NO_BRACKETS.replace(b",", b"")
_COMMA: Final = ord(",")
_STEPS: Final = {**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", -1)}
_LONG_NUMBER: Final = re.compile(rb"[0-9]{300}")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\.", re.DOTALL)
_SHORT: Final = 300
"""Digits that are always within a double's range."""

_NOT_JSON: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def looks_suspicious(raw: bytes) -> bool:
    """Whether a closer look is worth its time; the decoder itself refuses the rest."""
    return (
        (b"\\u0000" in raw and _NUL.search(raw) is not None)
        or (raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH + 1)
        or (len(raw) > 300 and _LONG_NUMBER.search(raw) is not None)
    )


def has_more(raw: bytes, *, level: int, most: int) -> bool:
    """Whether the arrays at a level of a document have more items than so many.

    >>> has_more(b'{"jobs": [1, [2, 3], "4, 5"]}', level=2, most=2), has_more(b"[[1, 2], 3]", level=1, most=2)
    (True, False)
    """
    depth, items = 0, 1
    for byte in _STRING.sub(b"", raw).translate(None, _NO_STRUCTURE):
        if byte != _COMMA:
            depth += _STEPS[byte]
        elif depth == level:
            items += 1
            if items > most:
                return True
    return False


def _depth(raw: bytes) -> int:
    """Return about how deep a document is nested: many flat lists need no closer look."""
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def faults(text: str) -> list[FieldError]:
    r"""Return what the document must not hold, each with its pointer.

    >>> faults('{"payload": {"a": [1, NaN]}}')
    [FieldError(pointer='/payload/a/1', detail='NaN is not a JSON number')]
    >>> faults('{"payload": "\\u0000"}')
    [FieldError(pointer='/payload', detail='a string must not hold NUL')]
    """
    found: list[FieldError] = []
    path: list[str | int] = []
    tokens = _TOKEN.findall(text)
    for position, piece in enumerate(tokens):
        if piece == ",":
            if path and isinstance(path[-1], int):
                path[-1] += 1
        elif piece in {"[", "{"}:
            path.append(0 if piece == "[" else "")
            if len(path) > MAX_DEPTH + 1:
                # Whatever stands behind is no better, and the pointer is long enough.
                where = pointer_of(path[:MAX_DEPTH])
                return [*found, FieldError(where, f"nested deeper than {MAX_DEPTH} levels")]
        elif piece in {"]", "}"}:
            if path:
                path.pop()
        elif piece != ":" and not (len(piece) < _SHORT and piece.isdecimal()):
            is_key = path and isinstance(path[-1], str) and tokens[position + 1 : position + 2] == [":"]
            if is_key:
                path[-1] = piece[1:-1]
            if detail := _fault_of(piece):
                found.append(FieldError(pointer_of(path), detail))
                if len(found) >= MAX_ERRORS:
                    break
    return found


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

"""What no JSON document may hold, wherever it stands, and where it was found.

The same rule for what a client sends and for what a task returns. The look at the text, token by token, is slow: it
is taken only when a fast decoder refused the document or a cheap look gave a hint. It does not judge whether the
text is JSON.
"""

import math
import re
from itertools import accumulate
from typing import Final, NamedTuple

MAX_DEPTH: Final = 64
"""Levels below the document's own: deeper ones cost readers their stack."""

_MAX_FAULTS: Final = 20
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


class Fault(NamedTuple):
    """What a document must not hold, and where it does."""

    path: tuple[str | int, ...]
    detail: str


def looks_suspicious(raw: bytes) -> bool:
    """Whether a closer look is worth its time; the decoder itself refuses the rest."""
    return is_too_deep(raw) or may_hold_unreadable(raw)


def may_hold_unreadable(raw: bytes) -> bool:
    """Whether a string or a number in it may be one that not everybody reads alike."""
    return (b"\\u0000" in raw and _NUL.search(raw) is not None) or (
        len(raw) > _SHORT and _LONG_NUMBER.search(raw) is not None
    )


def is_too_deep(raw: bytes) -> bool:
    """Whether JSON is nested deeper than `MAX_DEPTH` levels below its own; many flat lists are not.

    >>> is_too_deep(b"[" * 65 + b"]" * 65), is_too_deep(b"[" * 66 + b"]" * 66)
    (False, True)
    """
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH + 1


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


def faults(text: str) -> list[Fault]:
    r"""Return what the document must not hold, each with its path.

    >>> faults('{"payload": {"a": [1, NaN]}}')
    [Fault(path=('payload', 'a', 1), detail='NaN is not a JSON number')]
    >>> faults('{"payload": "\\u0000"}')
    [Fault(path=('payload',), detail='a string must not hold NUL')]
    """
    found: list[Fault] = []
    path: list[str | int] = []
    tokens = _TOKEN.findall(text)
    for position, piece in enumerate(tokens):
        if piece == ",":
            if path and isinstance(path[-1], int):
                path[-1] += 1
        elif piece in {"[", "{"}:
            path.append(0 if piece == "[" else "")
            if len(path) > MAX_DEPTH + 1:
                # Whatever stands behind is no better, and the path is long enough.
                return [*found, Fault(tuple(path[:MAX_DEPTH]), f"nested deeper than {MAX_DEPTH} levels")]
        elif piece in {"]", "}"}:
            if path:
                path.pop()
        elif piece != ":" and not (len(piece) < _SHORT and piece.isdecimal()):
            is_key = path and isinstance(path[-1], str) and tokens[position + 1 : position + 2] == [":"]
            if is_key:
                path[-1] = piece[1:-1]
            if detail := _fault_of(piece):
                found.append(Fault(tuple(path), detail))
                if len(found) >= _MAX_FAULTS:
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

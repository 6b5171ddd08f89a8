"""What a client has already, or wants a part of: conditional and range requests (RFC 9110, 13 and 14)."""

import re
from typing import Final

from api.problems import RANGE_NOT_SATISFIABLE, Problem

_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


def knows(if_none_match: str | None, etag: str) -> bool:
    """Whether a client has what this tag names.

    >>> knows('W/"1.0", "2.0"', '"2.0"'), knows("*", '"2.0"'), knows(None, '"2.0"')
    (True, True, False)
    """
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags


def wanted_part(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte of the one range that is asked for and the byte behind its last; None for the whole.

    A header that is not understood, such as one with several ranges, asks for the whole: a server may ignore it.

    >>> wanted_part("bytes=2-4", 10), wanted_part("bytes=7-", 10), wanted_part("bytes=-3", 10)
    ((2, 5), (7, 10), (7, 10))
    >>> wanted_part("bytes=0-1,4-5", 10), wanted_part("bytes=5-2", 10), wanted_part(None, 10)
    (None, None, None)

    Raises
    ------
    Problem
        It begins behind the end.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise Problem(
            RANGE_NOT_SATISFIABLE,
            f"it has {size} bytes",
            headers={"content-range": f"bytes */{size}", "accept-ranges": "bytes"},
        )
    return start, end

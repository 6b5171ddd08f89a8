"""Reads an HTTP answer up to a limit that counts bytes after decompression."""

import zlib
from typing import Final

import httpx

_GZIP: Final = 16 + zlib.MAX_WBITS

ACCEPT_ENCODING: Final = "gzip"
"""What to ask for: the one encoding read here."""


class UnreadableAnswerError(Exception):
    """The answer is too large, cut short or packed in an unknown way."""


class TooManyBytesError(UnreadableAnswerError):
    """The answer is too large; another one would be as well."""


async def read_bounded(response: httpx.Response, limit: int) -> bytes:
    """Return the body of a streamed answer, at most `limit` bytes of it.

    The library's own decompression gives out whole chunks: 64 KiB of network may become
    64 MiB at once. Here the decompressor itself is told how much is wanted.

    Raises
    ------
    TooManyBytesError
        The body is larger.
    UnreadableAnswerError
        It ends early, or is packed with anything but gzip.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in {"gzip", "identity"}:
        raise UnreadableAnswerError("it is packed in a way that was not asked for")
    unpack = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body, is_empty = bytearray(), True
    async for chunk in response.aiter_raw():
        if unpack and unpack.eof:
            # The decompressor would keep, without a limit, whatever follows its end.
            break
        try:
            body += unpack.decompress(chunk, limit + 1 - len(body)) if unpack else chunk
        except zlib.error:
            raise UnreadableAnswerError("its compression is broken") from None
        if len(body) > limit:
            raise TooManyBytesError(f"it has more than {limit} bytes")
        is_empty = False
    if unpack and not unpack.eof and not is_empty:
        raise UnreadableAnswerError("it ends early")
    return bytes(body)

"""Unpacking batches of records, bounded: a megabyte on the wire may be gigabytes of nothing."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import cramjam

MAX_UNPACKED_BYTES: Final = 32 * 1024 * 1024
"""Of one batch; the largest of ours is a sixteenth of that."""

_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16
_LENGTH: Final = 4
_TOO_SMALL: Final = "failed to write whole buffer"


class PackedError(ValueError):
    """The bytes cannot be unpacked, or not within the bound."""


def unpack(codec: int, packed: bytes) -> bytes:
    """Return what a batch with this codec (the lower bits of its attributes) holds.

    Raises
    ------
    PackedError
        The codec is unknown, the bytes are none of it, or there are too many.

    >>> unpack(1, zlib.compress(b"records", wbits=31))
    b'records'
    """
    name, unpacker = _CODECS.get(codec, (f"codec {codec}", None))
    if unpacker is None:
        raise PackedError(f"{name} is unknown")
    try:
        return unpacker(packed)
    except PackedError as error:
        raise PackedError(f"{name}: {error}") from error
    except (cramjam.DecompressionError, zlib.error, ValueError, OverflowError) as error:
        raise PackedError(f"{name}: {type(error).__name__} {error}") from error


def _gzip(packed: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    unpacked = inflater.decompress(packed, MAX_UNPACKED_BYTES)
    if inflater.unconsumed_tail:
        raise PackedError(f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    if not inflater.eof:
        raise PackedError("ends too early")
    return unpacked


def _growing(unpack_into: Callable[[Any, Any], int]) -> Callable[[bytes], bytes]:
    """Try buffers that grow, up to the bound: these codecs do not always say how much is in them."""

    def unpacker(packed: bytes) -> bytes:
        size = min(MAX_UNPACKED_BYTES, max(64 * 1024, 4 * len(packed)))
        while True:
            buffer = bytearray(size)
            try:
                return bytes(memoryview(buffer)[: unpack_into(packed, buffer)])
            except cramjam.DecompressionError as error:
                # What is corrupt stays so in a larger buffer.
                if _TOO_SMALL not in str(error):
                    raise
                if size == MAX_UNPACKED_BYTES:
                    raise PackedError(f"unpacks to more than {size} bytes") from error
                size = min(MAX_UNPACKED_BYTES, 8 * size)

    return unpacker


def _snappy(packed: bytes) -> bytes:
    if not packed.startswith(_XERIAL):
        return _snappy_block(packed, MAX_UNPACKED_BYTES)
    blocks, at, room = [], _XERIAL_HEADER, MAX_UNPACKED_BYTES
    while at < len(packed):
        size = int.from_bytes(packed[at : at + _LENGTH], "big")
        at += _LENGTH
        if at + size > len(packed):
            raise PackedError("ends too early")
        blocks.append(_snappy_block(packed[at : at + size], room))
        room -= len(blocks[-1])
        at += size
    return b"".join(blocks)


def _snappy_block(packed: bytes, room: int) -> bytes:
    size = cramjam.snappy.decompress_raw_len(packed)
    if size > room:
        raise PackedError(f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return bytes(cramjam.snappy.decompress_raw(packed))


_CODECS: Final[Mapping[int, tuple[str, Callable[[bytes], bytes]]]] = {
    1: ("gzip", _gzip),
    2: ("snappy", _snappy),
    3: ("lz4", _growing(cramjam.lz4.decompress_into)),
    4: ("zstd", _growing(cramjam.zstd.decompress_into)),
}

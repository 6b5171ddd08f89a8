"""Record batches as Kafka stores them (magic 2), cut and read so that what is broken costs itself alone.

aiokafka's own reader raises at the first record it cannot decode, loses the records before it and
stays there. This one tells how far each broken batch or record reaches and goes on behind it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch

from service_chassis.codecs import unpack
from service_chassis.passed_records import UnreadableRecordError

_LENGTHS: Final = struct.Struct(">qi")
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_ATTRIBUTES_AT: Final = 21
_MAGIC_AT: Final = 16
_MAGIC: Final = 2
_CODEC, _CONTROL = 0x07, 0x20
_LOG_APPEND_TIME: Final = 0x08
_MAX_VARINT_BITS: Final = 63


class RawBatches:
    """Cuts what a fetch has brought by the lengths that batches begin with; stands in for `MemoryRecords`."""

    def __init__(self, data: bytes | None) -> None:
        self._data = bytes(data or b"")
        self._at = 0
        self._next = self._cut()

    def size_in_bytes(self) -> int:
        """Return how many bytes the fetch has brought."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another batch is there as a whole."""
        return bool(self._next)

    def next_raw(self) -> bytes:
        """Return the bytes of the next batch."""
        raw, self._next = self._next, b""
        self._at += len(raw)
        self._next = self._cut()
        return raw

    @property
    def next_base(self) -> int | None:
        """The first offset that the next batch claims."""
        return int(_LENGTHS.unpack_from(self._next)[0]) if self._next else None

    @property
    def next_is_sound(self) -> bool:
        """Whether the next batch is one, and not bytes that a false length has cut out of the middle."""
        try:
            return bool(Batch(self._next))
        except UnreadableRecordError:
            return False

    def _cut(self) -> bytes:
        left = len(self._data) - self._at
        if left < _LENGTHS.size:
            return b""
        length: int = _LENGTHS.unpack_from(self._data, self._at)[1]
        if 0 <= length <= left - _LENGTHS.size:
            return self._data[self._at : self._at + _LENGTHS.size + length]
        # Kafka sends the first batch as a whole, and cuts the last one where the fetch is full.
        return self._data if self._at == 0 else b""


class Header(NamedTuple):
    """What a batch says of itself."""

    base: int
    length: int
    epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    producer: int
    producer_epoch: int
    sequence: int
    records: int

    @property
    def next_offset(self) -> int:
        """The offset after the last of its records."""
        return self.base + self.last_delta + 1


@dataclass(frozen=True, slots=True)
class Record:
    """A record by its bytes; `reason` says why it cannot be read."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None
    reason: str = ""


class Batch:
    """One batch whose checksum is right.

    Raises
    ------
    UnreadableRecordError
        It is none, or nothing in it can be told apart.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) < _HEADER.size:
            raise UnreadableRecordError(f"{len(raw)} bytes are no batch of records")
        if raw[_MAGIC_AT] != _MAGIC:
            raise UnreadableRecordError(f"magic {raw[_MAGIC_AT]} of the batch is unknown")
        self.header = Header(*_HEADER.unpack_from(raw))
        self.decoded = DefaultRecordBatch(raw)
        if not self.decoded.validate_crc():
            raise UnreadableRecordError("the checksum of the batch is wrong")
        self._raw = raw

    @property
    def is_control(self) -> bool:
        """Whether it is a mark of Kafka's own."""
        return bool(self.header.attributes & _CONTROL)

    def unpacked(self) -> "DefaultRecordBatch":
        """Return it for iteration, without its codec; `ValueError` if that fails."""
        codec = self.header.attributes & _CODEC
        if codec:
            plain = self.header.attributes & ~_CODEC
            head = bytearray(self._raw[: _HEADER.size])
            struct.pack_into(">h", head, _ATTRIBUTES_AT, plain)
            self._raw = bytes(head) + unpack(codec, self._raw[_HEADER.size :])
            self.decoded = DefaultRecordBatch(self._raw)
        return self.decoded

    def one_by_one(self, until: int) -> Iterator[Record]:
        """Read each record before this offset by the length it begins with: one that is broken ends where that says.

        Names of headers that are not UTF-8 are replaced, since nobody asks for one.
        """
        at, body, last = _HEADER.size, self._raw, until - 1
        for index in range(min(self.header.records, until - self.header.base)):
            begin = at
            try:
                length, at = _varint(body, at)
                end = at + length
                if length < 0 or end > len(body):
                    raise UnreadableRecordError("a record is longer than its batch")
            except ValueError as error:
                # Where the next one would begin nobody knows.
                yield self._broken(last, body[begin:], error)
                return
            try:
                yield self._record(body, at, end, until)
            except ValueError as error:
                yield self._broken(self.header.base + index, body[begin:end], error)
            at = end

    def _broken(self, offset: int, raw: bytes, error: ValueError) -> Record:
        timestamp = self.header.max_timestamp
        return Record(offset, timestamp, 0, None, raw, [], reason=str(error) or "the record is broken")

    def _record(self, body: bytes, at: int, end: int, until: int) -> Record:
        _, at = _varint(body, at)  # attributes, of which there are none
        later, at = _varint(body, at)
        delta, at = _varint(body, at)
        key, at = _bytes(body, at, end)
        value, at = _bytes(body, at, end)
        count, at = _varint(body, at)
        headers: list[tuple[str, bytes | None]] = []
        for _ in range(count):
            name, at = _bytes(body, at, end)
            content, at = _bytes(body, at, end)
            headers.append(((name or b"").decode(errors="replace"), content))
        if at != end or not 0 <= delta < until - self.header.base:
            raise UnreadableRecordError("a record does not end where it says")
        logged = bool(self.header.attributes & _LOG_APPEND_TIME)
        timestamp = self.header.max_timestamp if logged else self.header.first_timestamp + later
        return Record(self.header.base + delta, timestamp, int(logged), key, value, headers)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    shift = number = 0
    while at < len(body) and shift <= _MAX_VARINT_BITS:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7
    raise UnreadableRecordError("a number in a record has no end")


def _bytes(body: bytes, at: int, end: int) -> tuple[bytes | None, int]:
    length, at = _varint(body, at)
    if length < 0:
        return None, at
    if at + length > end:
        raise UnreadableRecordError("a field is longer than its record")
    return body[at : at + length], at + length

"""Bytes on a topic that are no records: they are passed, and no record behind them is."""

import random
import struct
from collections.abc import Sequence
from typing import Any

import cramjam
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from service_chassis.codecs import MAX_UNPACKED_BYTES
from service_chassis.passed_records import PassedRecord
from service_chassis.reading import PassingRecords
from service_chassis.record_batches import RawBatches

PLACE = TopicPartition("jobs", 0)
BEHIND = 3
"""The offset of the good record behind each forged batch."""


def batch(base: int, *values: bytes, codec: int = 0, header: str = "type") -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=0,
        producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=1 << 20,
    )  # fmt: skip
    for index, value in enumerate(values):
        builder.append(index, timestamp=5, key=b"key", value=value, headers=[(header, b"x")])
    return struct.pack(">q", base) + bytes(builder.build())[8:]


def sealed(raw: bytes) -> bytes:
    """Return the batch with the checksum that fits it."""
    return raw[:17] + struct.pack(">I", calc_crc32c(raw[21:])) + raw[21:]


def at(raw: bytes, place: int, what: bytes) -> bytes:
    return raw[:place] + what + raw[place + len(what) :]


def read(log: Sequence[tuple[int, bytes]], start: int = 0) -> list[ConsumerRecord]:
    """Read as a broker serves it: from the batch that holds the offset on; each is given with its true end."""
    got: list[ConsumerRecord] = []
    for _ in range(100):
        data = b"".join(raw for end, raw in log if end > start)
        if not data:
            return got
        records = PassingRecords(PLACE, RawBatches(data), [], start, None, None, True, 0)
        got += list(records)
        assert records.next_fetch_offset > start, "reading stands still"
        start = records.next_fetch_offset
    raise AssertionError("reading does not come to an end")


GOOD = batch(0, b"one", b"two", b"three")
BAD_HEADER = sealed(GOOD.replace(b"type", b"ty\xff\xfe", 1))


def packed(codec: int, body: bytes) -> bytes:
    raw = at(GOOD[:61], 21, struct.pack(">h", codec)) + body
    return sealed(at(raw, 8, struct.pack(">i", len(raw) - 12)))


FORGED = {
    "a header key that is not UTF-8": BAD_HEADER,
    "a header key that is not UTF-8, in a record behind others": sealed(
        b"ty\xff\xfe".join(GOOD.rsplit(b"type", 1))
    ),
    "a wrong checksum": at(GOOD, 17, b"\0\0\0\0"),
    "an unknown codec": packed(7, GOOD[61:]),
    "codec 5": packed(5, GOOD[61:]),
    "garbage as gzip": packed(1, b"\x1f\x8bgarbage"),
    "garbage as snappy": packed(2, b"garbage"),
    "garbage as framed snappy": packed(2, b"\x82SNAPPY\x00" + bytes(8) + b"\x7f\xff\xff\xffgarbage"),
    "garbage as lz4": packed(3, b"garbage"),
    "garbage as zstd": packed(4, b"garbage"),
    "nothing as zstd": packed(4, b""),
    "more zeros than there is room for, as zstd": packed(
        4, bytes(cramjam.zstd.compress(bytes(MAX_UNPACKED_BYTES + 1)))
    ),
    "an unknown magic": at(GOOD, 16, b"\x09"),
    "an old magic": at(GOOD, 16, b"\x01"),
    "records cut off": sealed(at(GOOD[:-9], 8, struct.pack(">i", len(GOOD) - 9 - 12))),
    "no records": sealed(at(GOOD[:61], 8, struct.pack(">i", 61 - 12))),
    "bytes behind the records": sealed(at(GOOD + b"more", 8, struct.pack(">i", len(GOOD) + 4 - 12))),
    "a false last offset": sealed(at(GOOD, 23, struct.pack(">i", 1_000_000))),
    "a last offset below the first": sealed(at(GOOD, 23, struct.pack(">i", -2_000_000))),
    "more records than there are": sealed(at(GOOD, 57, struct.pack(">i", 2**31 - 1))),
    "fewer records than none": sealed(at(GOOD, 57, struct.pack(">i", -1))),
    "a first offset far ahead": at(GOOD, 0, struct.pack(">q", 2**62)),
    "a first offset below zero": at(GOOD, 0, struct.pack(">q", -(2**62))),
    "a length that reaches over the next batch": at(GOOD, 8, struct.pack(">i", 2 * len(GOOD))),
    "a length of nothing": at(GOOD, 8, struct.pack(">i", 0)),
    "a length below nothing": at(GOOD, 8, struct.pack(">i", -1)),
    "a length that ends too early": at(GOOD, 8, struct.pack(">i", len(GOOD) - 20)),
    "a record longer than its batch": sealed(at(GOOD, 61, b"\xfe\xff\xff\xff\x0f")),
    "zeros": bytes(len(GOOD)),
    "noise": random.Random(5).randbytes(len(GOOD)),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_what_stands_behind_a_broken_batch_is_read_and_the_batch_is_passed(forged: bytes) -> None:
    got = read([(BEHIND, forged), (BEHIND + 1, batch(BEHIND, b"behind"))])
    assert (got[-1].offset, got[-1].value) == (BEHIND, b"behind")
    assert not isinstance(got[-1], PassedRecord)
    offsets = [record.offset for record in got]
    assert offsets == sorted(set(offsets))


def test_a_broken_record_costs_none_of_those_beside_it() -> None:
    raw = sealed(GOOD.replace(b"type", b"\xff\xfe\xfd\xfc", 1))
    assert [(r.offset, r.value) for r in read([(3, raw)])] == [(0, b"one"), (1, b"two"), (2, b"three")]
    cut = sealed(at(GOOD, GOOD.index(b"two") - 1, b"\x7f"))
    got = read([(3, cut)])
    assert [r.offset for r in got] == [0, 1, 2]
    assert [isinstance(r, PassedRecord) and r.is_unreadable for r in got] == [False, True, False]


def test_bytes_of_a_broken_batch_are_kept_and_said_to_be_broken() -> None:
    broken = at(GOOD, 17, b"\0\0\0\0")
    passed: Any = read([(3, broken), (4, batch(3, b"behind"))])[0]
    assert (passed.first, passed.offset, passed.value, passed.is_unreadable) == (0, 2, broken, True)
    assert "checksum" in passed.reason
    assert passed.kept().offset == 0


def test_marks_of_transactions_are_passed_and_are_nothing_unreadable() -> None:
    mark = sealed(at(batch(0, b"mark"), 21, struct.pack(">h", 0x30)))
    got: Any = read([(1, mark), (2, batch(1, b"behind"))])
    assert [(r.offset, isinstance(r, PassedRecord)) for r in got] == [(0, True), (1, False)]
    assert not got[0].is_unreadable


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_in_any_codec_of_kafka_is_read(codec: int) -> None:
    raw = batch(0, *[b"value" * 20_000] * 3, codec=codec)
    assert DefaultRecordBatch(raw).validate_crc()
    assert [record.value for record in read([(3, raw)])] == [b"value" * 20_000] * 3


def test_reading_may_begin_within_a_batch() -> None:
    assert [record.value for record in read([(3, GOOD), (4, batch(3, b"behind"))], start=2)] == [
        b"three",
        b"behind",
    ]


def test_however_batches_are_mutated_reading_goes_on_behind_them() -> None:
    rng = random.Random(19)
    for number in range(3_000):
        codec, before = rng.choice((0, 0, 0, 1, 2, 3, 4)), rng.choice((0, 2))
        mutated = bytearray(batch(before, b"one", b"two", b"three", codec=codec))
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(mutated)) if rng.random() < 0.5 else rng.randrange(61)
            mutated[place] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))
        if rng.random() < 0.2:
            del mutated[rng.randrange(1, len(mutated)) :]
        raw = sealed(bytes(mutated)) if rng.random() < 0.6 and len(mutated) > 21 else bytes(mutated)
        end = before + 3
        log = [(before, batch(0, b"before", b"before"))] if before else []
        got = read([*log, (end, raw), (end + 1, batch(end, b"behind"))])
        found = [record.offset for record in got if not isinstance(record, PassedRecord)]
        assert {*range(before), end} <= set(found), (number, raw)
        assert found == sorted(set(found)), (number, raw)

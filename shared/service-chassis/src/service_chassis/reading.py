"""Has every consumer of this process read past what it cannot decode, and say what it has passed."""

from collections.abc import Iterator
from typing import Any, Final

from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher

from service_chassis.passed_records import UnreadableRecordError, passed
from service_chassis.record_batches import Batch, RawBatches

_MAX_SPAN: Final = 1 << 20
"""Offsets that a batch may claim whose checksum is wrong: beyond, its own word is not believed."""


class PassingRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition out of one fetch; what is none of them comes as a `PassedRecord`.

    A broken batch ends the fetch: if it is the first one, it is passed, otherwise it is fetched again,
    as the first. So nothing is judged that a false length has cut out of the middle of another batch,
    and nothing is passed that another batch claims. Transactions are not looked at: what an aborted
    one has left is read and judged as everything else, so that nobody's open transaction holds up a topic.
    """

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        is_first = True
        while self._records.has_next():
            raw: bytes = self._records.next_raw()
            begin = self.next_fetch_offset
            try:
                yield from self._read(raw)
            except Exception as error:  # noqa: BLE001  whatever a library makes of such bytes
                if is_first or self.next_fetch_offset > begin:
                    yield self._pass_batch(raw, error)
                return
            is_first = False

    def _read(self, raw: bytes) -> Iterator[ConsumerRecord]:
        batch = Batch(raw)
        end = self._end_of(batch)
        if not batch.is_control:
            records = batch.unpacked()
            try:
                yield from self._records_in(records, batch.header.base, end)
            except Exception:  # noqa: BLE001  read again by other means, from where this has come
                yield from self._one_by_one(batch, end)
        if self.next_fetch_offset < end:
            first, self.next_fetch_offset = self.next_fetch_offset, end
            yield passed(self._tp, first, end - 1)

    def _end_of(self, batch: Batch) -> int:
        """Return the offset behind the batch, which the next one may know better."""
        end, following = batch.header.next_offset, self._records.next_base
        if following is not None and self.next_fetch_offset < following < end and self._records.next_is_sound:
            end = int(following)
        is_far = batch.header.base > self.next_fetch_offset + _MAX_SPAN
        if is_far or not max(batch.header.base, self.next_fetch_offset) < end:
            raise UnreadableRecordError("the batch is not where its offsets are")
        return end

    def _records_in(self, batch: Any, base: int, end: int) -> Iterator[ConsumerRecord]:
        for record in batch:
            if not base <= record.offset < end:
                raise UnreadableRecordError("a record is outside its batch")
            if record.offset >= self.next_fetch_offset:
                found = self._consumer_record(self._tp, record)
                self.next_fetch_offset = record.offset + 1
                yield found

    def _one_by_one(self, batch: Batch, end: int) -> Iterator[ConsumerRecord]:
        for record in batch.one_by_one(end):
            if record.offset < self.next_fetch_offset:
                continue
            first, self.next_fetch_offset = self.next_fetch_offset, record.offset + 1
            if record.reason:
                yield passed(
                    self._tp, first, record.offset,
                    raw=record.value or b"", reason=record.reason, timestamp=record.timestamp,
                )  # fmt: skip
            else:
                yield self._consumer_record(self._tp, record)

    def _pass_batch(self, raw: bytes, error: Exception) -> ConsumerRecord:
        first, base = self.next_fetch_offset, int.from_bytes(raw[:8], "big", signed=True)
        self.next_fetch_offset = self._behind(raw, base, first)
        return passed(
            self._tp, first, self.next_fetch_offset - 1,
            raw=raw, reason=f"{type(error).__name__}: {error}", batch=base,
        )  # fmt: skip

    def _behind(self, raw: bytes, base: int, first: int) -> int:
        """Where reading goes on; what the broken batch says of its length may itself be broken."""
        following = self._records.next_base
        if following is not None and first < following <= first + _MAX_SPAN and self._records.next_is_sound:
            return int(following)
        last_delta, count = int.from_bytes(raw[23:27], "big"), int.from_bytes(raw[57:61], "big")
        if base <= first < base + count and last_delta + 1 == count <= _MAX_SPAN:
            return base + count
        return first + 1


def read_past_what_is_broken() -> None:
    """Have aiokafka use these; once or often. It has no setting for it."""
    fetcher.MemoryRecords = RawBatches
    fetcher.PartitionRecords = PassingRecords

"""What stands for bytes on a topic that are no records: it is read past, and its bytes are kept."""

from copy import copy
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

_EACH_KEPT = 1_500_000
"""Bytes kept of what cannot be read: in base64 they fit the largest message of `dead-letter`."""


class UnreadableRecordError(ValueError):
    """Why bytes on a topic are no records."""


@dataclass
class PassedRecord(ConsumerRecord):  # type: ignore[misc]
    """Offsets from `first` to `offset` with nothing to handle; `value` is the beginning of what stood there."""

    first: int = 0
    batch: int = -1
    """The base offset of the batch if it is passed as a whole: it may have to be passed in several steps."""
    reason: str = ""
    """Why it could not be read; empty if nothing was there for readers: the mark of a transaction, a gap."""

    @property
    def is_unreadable(self) -> bool:
        """Whether something stood there that should be kept."""
        return bool(self.reason)

    def kept(self) -> "PassedRecord":
        """Return it under the offset at which it began."""
        it = copy(self)
        it.offset = self.first
        return it


def passed(place: TopicPartition, first: int, last: int, **said: Any) -> PassedRecord:
    """Return what stands for the offsets from `first` to `last`."""
    raw: bytes = said.pop("raw", b"")
    reason: str = said.pop("reason", "")
    if len(raw) > _EACH_KEPT:
        reason += f"; the first {_EACH_KEPT} of {len(raw)} bytes are kept"
    value, timestamp = raw[:_EACH_KEPT], said.pop("timestamp", -1)
    return PassedRecord(
        place.topic, place.partition, last, timestamp, 0, None, value, None, -1, len(value), (),
        first=first, reason=reason, **said,
    )  # fmt: skip

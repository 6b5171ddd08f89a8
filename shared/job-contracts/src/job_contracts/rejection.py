"""Bytes that make no sense: how a service says so on `dead-letter`, instead of stopping or losing them."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from job_contracts.messages import ErrorInfo, MessageRejected, Origin

_REASON_KEPT: Final = 1_000
"""Characters of a reason: it may quote what it complains of, and that may be most of a message."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class Received(Protocol):
    """A message as it stood in Kafka; `timestamp` is in milliseconds since 1970."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


def origin_of(received: Received) -> Origin:
    """Return where the message stood."""
    # On a topic made by other hands the producer sets the timestamp: no number there may stop the reader.
    sent = _EPOCH + timedelta(milliseconds=min(max(received.timestamp, 0), _LAST_MS))
    return Origin(topic=received.topic, partition=received.partition, offset=received.offset, timestamp=sent)


def reject(received: Received, error: Exception) -> MessageRejected:
    """Return the dead letter for a message that could not be read, with its exact bytes."""
    return MessageRejected(
        source=origin_of(received),
        error=ErrorInfo(type=type(error).__name__, message=str(error)[:_REASON_KEPT]),
        raw=received.value or b"",
    )

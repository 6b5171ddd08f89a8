"""Bytes in, bytes out: FastStream hands records to us as they came.

Its default parser loses a message with an undecodable header without a word, so nothing
is parsed here; malformed input reaches our own code, which diverts it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import ConsumerRecord
from faststream.kafka import KafkaMessage

Records = tuple[ConsumerRecord, ...]


async def pass_through_parser(records: Records) -> KafkaMessage:
    """Wrap a batch of records without looking at them."""
    return KafkaMessage(body=b"", raw_message=records, consumer=None, headers={})  # type: ignore[arg-type]


async def pass_through_decoder(message: KafkaMessage) -> Records:
    """Give the handler the records themselves."""
    records: Any = message.raw_message
    return records  # type: ignore[no-any-return]


Handler = Callable[[Records], Awaitable[None]]

Quarantine = Callable[[ConsumerRecord, Exception], Awaitable[None]]
"""Keeps a record that cannot be read, or that nobody can handle, and says why."""

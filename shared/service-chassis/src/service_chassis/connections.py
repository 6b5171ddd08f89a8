"""Makes aiokafka see that a connection is closed, whatever event loop it runs on.

A write to a transport that is closed is dropped by asyncio's and raises RuntimeError in uvloop's, where
aiokafka expects an OSError at most. So between a reset and the moment aiokafka has read of it, each request
ended in an error that nothing there catches: fetching, heartbeats and commits stopped for good,
without a word, while the consumer lived on.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def _send_if_open(connection: Any, *args: Any, **options: Any) -> Any:
    writer = connection._writer  # noqa: SLF001  there is no public way to it
    if writer is not None and writer.transport.is_closing():
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} is closed")
    return _send(connection, *args, **options)


def mend_connections() -> None:
    """Have every connection of this process look before it writes; once or often."""
    AIOKafkaConnection.send = _send_if_open

"""A connection of aiokafka that is closed says so, on either event loop."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from service_chassis.connections import mend_connections


async def _send_after_a_reset() -> bool:
    """Return whether the connection still seems to be one after a request that could not go out."""
    mend_connections()
    server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    connection = AIOKafkaConnection(host=host, port=port, request_timeout_ms=1_000)
    reader, writer = await asyncio.open_connection(host, port)
    connection._reader, connection._writer = reader, writer
    connection._versions = {MetadataRequest([]).API_KEY: (0, 1)}  # what a broker would have told
    connection._read_task = asyncio.create_task(asyncio.sleep(60))
    writer.transport.abort()
    await asyncio.sleep(0.05)
    with pytest.raises(KafkaConnectionError):
        await connection.send(MetadataRequest([]))
    server.close()
    return bool(connection.connected())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_request_on_a_connection_that_is_closed_is_an_error_of_kafka(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert not runner.run(_send_after_a_reset())

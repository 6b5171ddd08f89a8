"""How every client of Kafka gets in: addresses, encryption, credentials; and what its errors are."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.errors import KafkaConnectionError

from service_chassis.connections import mend_connections
from service_chassis.settings import KafkaSettings

mend_connections()


def access(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments by which any aiokafka client connects.

    >>> access(KafkaSettings(bootstrap_servers="broker:9092"))
    {'bootstrap_servers': 'broker:9092', 'security_protocol': 'PLAINTEXT'}
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": str(settings.security_protocol),
    }
    if settings.security_protocol.is_encrypted:
        # Certificates and names are verified: there is no setting that turns it off.
        options["ssl_context"] = ssl.create_default_context(cafile=settings.ca_file)
    if settings.security_protocol.has_credentials:
        options |= {
            "sasl_mechanism": str(settings.sasl_mechanism),
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.get_secret_value(),
        }
    return options


@contextmanager
def uninvited_ends_as_errors() -> Iterator[None]:
    """Turn a cancellation that nobody has asked for into an error of Kafka like any other.

    Who awaits a future or task of a library is cancelled with it when the library cancels that: a loop
    would end without a word.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise KafkaConnectionError("what was under way was cancelled") from None

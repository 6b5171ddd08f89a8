"""How every client of Kafka gets in: addresses, encryption, credentials."""

import ssl
from typing import Any

from service_chassis.settings import KafkaSettings


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

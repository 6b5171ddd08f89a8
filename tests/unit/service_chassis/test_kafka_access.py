"""How clients of Kafka are told to connect."""

import asyncio
import ssl
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import ValidationError

from service_chassis.kafka import access, uninvited_ends_as_errors
from service_chassis.settings import KafkaSettings


def _settings(**fields: object) -> KafkaSettings:
    return KafkaSettings.model_validate(fields)


def test_credentials_are_handed_over_with_their_mechanism() -> None:
    options = access(_settings(security_protocol="SASL_PLAINTEXT", username="api", password="pw"))
    assert options == {
        "bootstrap_servers": "localhost:9092",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "api",
        "sasl_plain_password": "pw",
    }


def test_an_encrypted_connection_verifies_certificate_and_name() -> None:
    context = access(_settings(security_protocol="SSL"))["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_credentials_that_are_missing_are_named_and_the_others_not_shown() -> None:
    with pytest.raises(ValidationError, match="needs KAFKA__USERNAME and KAFKA__PASSWORD") as caught:
        _settings(security_protocol="SASL_SSL", password="canary")
    assert "canary" not in str(caught.value)


def test_an_authority_that_is_no_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="KAFKA__CA_FILE names no file"):
        _settings(security_protocol="SSL", ca_file=tmp_path / "nowhere.pem")


async def test_a_cancellation_that_nobody_asked_for_is_an_error_of_kafka() -> None:
    under_way = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(under_way.cancel)
    with pytest.raises(KafkaConnectionError), uninvited_ends_as_errors():
        await under_way


async def test_who_is_cancelled_or_out_of_time_ends() -> None:
    async def wait() -> None:
        with uninvited_ends_as_errors():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wait()

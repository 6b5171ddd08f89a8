"""Settings as an operator writes them."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from service_chassis.settings import ServiceSettings


@pytest.mark.parametrize("written", ["2.5", "PT2.5S", "0:00:02.5"])
def test_a_duration_is_seconds_or_iso_8601(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO__PATIENCE", written)
    monkeypatch.setenv("SHUTDOWN_GRACE", written)
    settings = ServiceSettings()
    assert settings.mongo.patience == settings.shutdown_grace == timedelta(seconds=2.5)


def test_a_field_nobody_knows_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO__PATEINCE", "2")
    with pytest.raises(ValidationError, match="pateince"):
        ServiceSettings()


def test_the_address_of_the_database_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO__URI", "mongodb://user:hunter2@db")
    assert "hunter2" not in repr(ServiceSettings())

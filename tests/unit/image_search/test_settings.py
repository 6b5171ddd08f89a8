"""Which provider the settings choose, and what they refuse."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from job_worker.tasks.image_search.settings import ImageSearchSettings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "UNSPLASH__ACCESS_KEY",
        "UNSPLASH__ACCESS_KEYS",
        "UNSPLASH__BASE_URL",
        "PIXABAY__API_KEY",
        "OPENVERSE__BASE_URL",
        "IMAGES__PROVIDER",
        "IMAGES__STORE_URL",
        "IMAGES__PUBLIC_URL",
    ):
        monkeypatch.delenv(name, raising=False)


def test_without_settings_there_is_no_key_and_unsplash_is_at_its_address() -> None:
    settings = ImageSearchSettings()
    assert settings.unsplash.access_key is None
    assert settings.unsplash.base_url == "https://api.unsplash.com"


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPLASH__ACCESS_KEY", " ")
    assert ImageSearchSettings().unsplash.access_key is None


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPLASH__ACCESS_KEY", "canary-key")
    monkeypatch.setenv("UNSPLASH__ACCESS_KEYS", "canary-two,canary-three")
    settings = ImageSearchSettings()
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings.unsplash.keys())


def test_keys_are_pooled_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPLASH__ACCESS_KEY", "one")
    monkeypatch.setenv("UNSPLASH__ACCESS_KEYS", " two , one,, three ")
    keys = ImageSearchSettings().unsplash.keys()
    assert [key.get_secret_value() for key in keys.values()] == ["one", "two", "three"]


def test_more_keys_are_enough_for_unsplash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES__PROVIDER", "unsplash")
    monkeypatch.setenv("UNSPLASH__ACCESS_KEYS", "one")
    assert len(ImageSearchSettings().unsplash.keys()) == 1


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNSPLASH__ACCESS_KEY", "canary\nkey")
    with pytest.raises(ValidationError) as caught:
        ImageSearchSettings()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://api.unsplash.com", "http://localhost.example.org", "ftp://127.0.0.1"]
)
def test_an_address_that_would_carry_the_key_in_the_clear_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNSPLASH__BASE_URL", url)
    with pytest.raises(ValidationError, match="must be https"):
        ImageSearchSettings()


def test_unsplash_without_a_key_is_refused_by_the_setting_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES__PROVIDER", "unsplash")
    with pytest.raises(ValidationError, match="needs UNSPLASH__ACCESS_KEY"):
        ImageSearchSettings()


@pytest.mark.parametrize(
    ("env", "provider"),
    [
        ({}, "sample"),
        ({"PIXABAY__API_KEY": "key"}, "pixabay"),
        ({"PIXABAY__API_KEY": "key", "UNSPLASH__ACCESS_KEY": "key"}, "unsplash"),
        ({"UNSPLASH__ACCESS_KEY": "key", "IMAGES__PROVIDER": "sample"}, "sample"),
        ({"IMAGES__PROVIDER": "openverse"}, "openverse"),
    ],
)
def test_the_provider_is_the_one_named_or_the_one_there_is_a_key_for(
    env: dict[str, str], provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert ImageSearchSettings().provider == provider


def test_pixabay_without_a_key_is_refused_by_the_setting_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES__PROVIDER", "pixabay")
    with pytest.raises(ValidationError, match="needs PIXABAY__API_KEY"):
        ImageSearchSettings()


def test_a_key_that_an_address_would_write_in_another_way_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIXABAY__API_KEY", "canary/key&x")
    with pytest.raises(ValidationError) as caught:
        ImageSearchSettings()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://api.openverse.org", "http://localhost.example.org"])
def test_answers_that_could_be_changed_on_the_way_are_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENVERSE__BASE_URL", url)
    with pytest.raises(ValidationError, match="must be https"):
        ImageSearchSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGES__STORE_URL", "ftp://server/folder"),
        ("IMAGES__STORE_URL", "/folder"),
        ("IMAGES__PUBLIC_URL", "http://cdn.example.org/images"),
        ("IMAGES__PUBLIC_URL", "javascript:alert(1)"),
    ],
)
def test_a_place_for_pictures_that_makes_no_sense_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        ImageSearchSettings()


def test_pictures_are_kept_beyond_the_jobs_that_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION__SUCCEEDED", "P30D")
    monkeypatch.setenv("IMAGES__GRACE", "P2D")
    assert ImageSearchSettings().kept == timedelta(days=32)

"""What an operator may change about the image search."""

from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_chassis.settings import Section


def is_loopback(url: str) -> bool:
    """Whether the URL leads to this machine.

    >>> is_loopback("http://127.0.0.1:8080/x"), is_loopback("http://localhost.example.org")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class UnsplashSettings(Section):
    """How to reach Unsplash."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_key: Annotated[
        SecretStr | None, Field(description="The application's access key; without one pictures are drawn")
    ] = None
    base_url: Annotated[str, Field(description="Another address only for tests, on this machine")] = (
        "https://api.unsplash.com"
    )
    app_name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]+$",
            description="`utm_source` in links to photographers: Unsplash's terms ask for the application's name",
        ),
    ] = "jobstream"
    timeout: Annotated[
        timedelta,
        Field(description="Longest wait for a whole answer: a search takes well under a second"),
    ] = timedelta(seconds=10)

    @field_validator("access_key")
    @classmethod
    def _key_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value().strip() if key else ""
        # What cannot stand in a header would be quoted by the HTTP library's error, and so leak.
        if not all("!" <= char <= "~" for char in text):
            raise ValueError("has characters that no access key has")
        return SecretStr(text) if text else None

    @field_validator("base_url")
    @classmethod
    def _key_travels_encrypted(cls, url: str) -> str:
        if not url.startswith("https://") and not (url.startswith("http://") and is_loopback(url)):
            raise ValueError("must be https, or the key could be read on the way")
        return url.rstrip("/")


class ImagesSettings(Section):
    """Where pictures come from."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Annotated[
        Literal["auto", "unsplash", "sample"],
        Field(description="auto: unsplash if there is a key, else sample, so that it works at once"),
    ] = "auto"


class ImageSearchSettings(BaseSettings):
    """Settings of the task, read from `UNSPLASH__ACCESS_KEY` and friends."""

    # A refused key must not be quoted by the error that refuses it.
    model_config = SettingsConfigDict(
        env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    unsplash: UnsplashSettings = UnsplashSettings()
    images: ImagesSettings = ImagesSettings()

    @model_validator(mode="after")
    def _unsplash_needs_a_key(self) -> Self:
        if self.images.provider == "unsplash" and self.unsplash.access_key is None:
            raise ValueError("IMAGES__PROVIDER=unsplash needs UNSPLASH__ACCESS_KEY")
        return self

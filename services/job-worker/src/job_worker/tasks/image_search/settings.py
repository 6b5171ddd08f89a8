"""What an operator may change about the image search."""

from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from job_worker.tasks.image_search.pictures import ProviderName
from service_chassis.settings import HostedImagesSettings, RetentionSection, Section


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


def _encrypted(url: str) -> str:
    if not url.startswith("https://") and not (url.startswith("http://") and is_loopback(url)):
        raise ValueError("must be https, or a key could be read on the way, and an answer changed")
    return url.rstrip("/")


class UnsplashSettings(Section):
    """How to reach Unsplash."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_key: Annotated[
        SecretStr | None, Field(description="The application's access key; without one pictures are drawn")
    ] = None
    access_keys: Annotated[
        SecretStr | None,
        Field(description="More keys, separated by commas: each has a quota of its own, and all are used"),
    ] = None
    quota: Annotated[
        int, Field(ge=1, le=10_000, description="Calls that each key has in a window; in demo mode it is 50")
    ] = 50
    quota_window: Annotated[
        timedelta,
        Field(
            gt=timedelta(0),
            le=timedelta(days=1),
            description="No stretch of this length, wherever it begins, has more calls than the quota",
        ),
    ] = timedelta(hours=1)
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

    @field_validator("access_key", "access_keys")
    @classmethod
    def _key_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        keys = [text for part in (key.get_secret_value() if key else "").split(",") if (text := part.strip())]
        # What cannot stand in a header would be quoted by the HTTP library's error, and so leak.
        if not all("!" <= char <= "~" for char in "".join(keys)):
            raise ValueError("has characters that no access key has")
        return SecretStr(",".join(keys)) if keys else None

    def keys(self) -> dict[str, SecretStr]:
        """Return all keys by the names they are known under elsewhere: eight digits of their hash.

        >>> [*UnsplashSettings(access_key=SecretStr("one"), access_keys=SecretStr("two, one")).keys()]
        ['7692c3ad', '3fc4ccfe']
        """
        texts = [
            text
            for key in (self.access_key, self.access_keys)
            if key is not None
            for text in key.get_secret_value().split(",")
        ]
        return {sha256(text.encode()).hexdigest()[:8]: SecretStr(text) for text in texts}

    _is_encrypted = field_validator("base_url")(_encrypted)


class OpenverseSettings(Section):
    """How to reach Openverse."""

    base_url: Annotated[str, Field(description="Another address only for tests, on this machine")] = (
        "https://api.openverse.org"
    )
    timeout: Annotated[
        timedelta, Field(description="Longest wait for a whole answer: its search may take seconds")
    ] = timedelta(seconds=15)

    _is_encrypted = field_validator("base_url")(_encrypted)


class PixabaySettings(Section):
    """How to reach Pixabay."""

    model_config = ConfigDict(hide_input_in_errors=True)

    api_key: Annotated[
        SecretStr | None, Field(description="The key of an account; without one there is no pixabay")
    ] = None
    base_url: Annotated[str, Field(description="Another address only for tests, on this machine")] = (
        "https://pixabay.com"
    )
    timeout: Annotated[
        timedelta, Field(description="Longest wait for a whole answer: a search takes well under a second")
    ] = timedelta(seconds=10)

    _is_encrypted = field_validator("base_url")(_encrypted)

    @field_validator("api_key")
    @classmethod
    def _key_fits_a_query(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value().strip() if key else ""
        # What would be written in another way in an address could not be kept out of logs.
        if not all(char.isascii() and (char.isalnum() or char in "-_") for char in text):
            raise ValueError("has characters that no key has")
        return SecretStr(text) if text else None


class ImagesSettings(HostedImagesSettings):
    """Where pictures come from, and how those that are shown from here are kept."""

    provider: Annotated[
        Literal["auto", "unsplash", "openverse", "pixabay", "sample"],
        Field(
            description="auto: unsplash or pixabay if there is a key, else sample, so that it works at once"
        ),
    ] = "auto"
    fresh_for: Annotated[
        timedelta,
        Field(
            gt=timedelta(0),
            description="So long the same search is answered without asking the provider: new photographs are few",
        ),
    ] = timedelta(days=1)
    stale_for: Annotated[
        timedelta,
        Field(
            ge=timedelta(0),
            description="After that, old answers are still given while the provider is down or its quota used up",
        ),
    ] = timedelta(days=7)
    public_url: Annotated[
        str,
        Field(
            pattern=r"^(https://\S+|/images)$",
            description="What stands before a picture's hash in results: a CDN's address that fetches from the api's "
            "`/images`",
        ),
    ] = "/images"
    fetch_timeout: Annotated[
        timedelta,
        Field(description="Longest wait for one picture: one that is slow is left out of the result"),
    ] = timedelta(seconds=15)
    grace: Annotated[
        timedelta,
        Field(
            ge=timedelta(0),
            description="A picture stays for so long beyond the jobs that may show it: ends may come late",
        ),
    ] = timedelta(days=1)


class RetentionSettings(RetentionSection):
    """How long jobs are kept after their end."""

    succeeded: Annotated[
        timedelta,
        Field(
            description="A week: long enough to ask on Monday about Friday's jobs; the result stays longer"
        ),
    ] = timedelta(days=7)


class ImageSearchSettings(BaseSettings):
    """Settings of the task, read from `UNSPLASH__ACCESS_KEY` and friends."""

    # A refused key must not be quoted by the error that refuses it.
    model_config = SettingsConfigDict(
        env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    unsplash: UnsplashSettings = UnsplashSettings()
    openverse: OpenverseSettings = OpenverseSettings()
    pixabay: PixabaySettings = PixabaySettings()
    images: ImagesSettings = ImagesSettings()
    retention: RetentionSettings = RetentionSettings()

    @property
    def provider(self) -> ProviderName:
        """The one that is meant."""
        if self.images.provider != "auto":
            return self.images.provider
        if self.unsplash.keys():
            return "unsplash"
        return "sample" if self.pixabay.api_key is None else "pixabay"

    @property
    def kept(self) -> timedelta:
        """How long a picture stays after the last search that found it."""
        return self.retention.succeeded + self.images.grace

    @model_validator(mode="after")
    def _has_its_key(self) -> Self:
        if self.images.provider == "unsplash" and not self.unsplash.keys():
            raise ValueError("IMAGES__PROVIDER=unsplash needs UNSPLASH__ACCESS_KEY")
        if self.images.provider == "pixabay" and self.pixabay.api_key is None:
            raise ValueError("IMAGES__PROVIDER=pixabay needs PIXABAY__API_KEY")
        return self

"""What is asked of an image search and what it answers."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ProviderName = Literal["unsplash", "openverse", "pixabay", "sample"]

Progress = Callable[[float, str | None], Awaitable[None]]
"""Tells how far a search is: percent, and a few words."""


class Orientation(StrEnum):
    """The form of a picture."""

    LANDSCAPE = "landscape"
    """Broader than tall."""

    PORTRAIT = "portrait"
    """Taller than broad."""

    SQUARISH = "squarish"
    """About as broad as tall."""


class SearchPayload(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        Field(description="Words that say what the pictures should show", examples=["mountains"]),
    ]
    count: Annotated[int, Field(ge=1, le=30, description="How many pictures at most")] = 10
    orientation: Annotated[Orientation | None, Field(description="Only pictures of this form")] = None


def _is_none(value: object) -> bool:
    return value is None


_IfAny = Field(exclude_if=_is_none)


class Urls(BaseModel):
    """One picture in several sizes; a path without a host is served by the API."""

    raw: Annotated[str | None, _IfAny] = None
    full: str
    regular: Annotated[str, Field(description="1080 pixels wide")]
    small: Annotated[str, Field(description="400 pixels wide")]
    thumb: Annotated[str, Field(description="200 pixels wide")]


class Author(BaseModel):
    """Who made a picture; the name is foreign text: escape it."""

    name: str
    url: str | None


class Attribution(BaseModel):
    """What must stand beside a picture that is shown."""

    text: str
    provider_name: str
    provider_url: str | None
    license: Annotated[str | None, _IfAny] = None
    license_url: Annotated[str | None, _IfAny] = None
    source_url: Annotated[
        str | None, Field(description="Where the picture was published", exclude_if=_is_none)
    ] = None


class Picture(BaseModel):
    """One picture."""

    id: str
    width: int
    height: int
    color: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$", description="Its average or leading colour")]
    blur_hash: Annotated[str | None, Field(description="A blurred preview, see blurha.sh")]
    alt: Annotated[str, Field(description="What it shows, for those who do not see it")]
    urls: Urls
    author: Author
    attribution: Attribution
    download_location: Annotated[
        str | None, Field(description="To be called when a person takes the picture, as Unsplash's terms ask")
    ]
    drawn: Annotated[bool, Field(description="True if it is a drawing of this program and no photograph")]


class SearchResult(BaseModel):
    """The pictures found; none is an answer too."""

    provider: ProviderName
    query: str
    images: list[Picture]
    cache: Annotated[
        Literal["hit", "miss", "stale"] | None,
        Field(
            exclude_if=lambda cache: cache is None,
            description="hit: another job's answer; stale: an old one, since there is no newer one now",
        ),
    ] = None
    age: Annotated[
        int | None,
        Field(
            exclude_if=lambda age: age is None, description="Seconds since the provider gave a kept answer"
        ),
    ] = None

"""What we read of Unsplash's answer to a search, and how it becomes ours."""

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from job_worker.tasks.image_search.addresses import WebAddress
from job_worker.tasks.image_search.pictures import Attribution, Author, Picture, Urls
from job_worker.tasks.image_search.settings import is_loopback

_GREY: Final = "#808080"
"""Colour of a photograph that Unsplash gives none for."""


_Text = Annotated[str, Field(max_length=20_000)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _PhotoUrls(_Read):
    raw: WebAddress
    full: WebAddress
    regular: WebAddress
    small: WebAddress
    thumb: WebAddress


class _PhotoLinks(_Read):
    # Judged by its host, not by the schema: a photograph without it is still worth showing.
    download_location: Annotated[str, Field(max_length=2_048)] | None = None


class _UserLinks(_Read):
    html: WebAddress


class _User(_Read):
    name: Annotated[str, Field(max_length=500)]
    links: _UserLinks


class _Photo(_Read):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    width: Annotated[int, Field(ge=1, le=1_000_000)]
    height: Annotated[int, Field(ge=1, le=1_000_000)]
    color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] | None = None
    blur_hash: Annotated[str, Field(pattern=r"^[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,200}$")] | None = None
    alt_description: _Text | None = None
    description: _Text | None = None
    urls: _PhotoUrls
    links: _PhotoLinks
    user: _User


class SearchAnswer(_Read):
    """Unsplash's answer to `GET /search/photos`, in the parts that are used."""

    results: Annotated[list[_Photo], Field(max_length=30)]


def pictures(body: bytes, *, base_url: str, app_name: str) -> list[Picture]:
    """Return the pictures of an answer.

    Raises
    ------
    ValidationError
        It is not what Unsplash's documentation says; its text quotes no input.
    """
    answer = SearchAnswer.model_validate_json(body, context={"loopback": is_loopback(base_url)})
    return [_picture(photo, base_url, app_name) for photo in answer.results]


def _picture(photo: _Photo, base_url: str, app_name: str) -> Picture:
    utm = {"utm_source": app_name, "utm_medium": "referral"}
    return Picture(
        id=photo.id,
        width=photo.width,
        height=photo.height,
        color=(photo.color or _GREY).lower(),
        blur_hash=photo.blur_hash,
        alt=(photo.alt_description or photo.description or "")[:500],
        urls=Urls(**photo.urls.model_dump()),
        author=Author(name=photo.user.name, url=_with_query(photo.user.links.html, utm)),
        attribution=Attribution(
            text=f"Photo by {photo.user.name} on Unsplash",
            provider_name="Unsplash",
            provider_url=_with_query("https://unsplash.com/", utm),
        ),
        download_location=_of_api(photo.links.download_location, base_url),
        drawn=False,
    )


def _with_query(url: str, more: dict[str, str]) -> str:
    """Return the URL with more parameters; those of the same name are replaced.

    >>> _with_query("https://unsplash.com/@me?utm_source=other&a=1", {"utm_source": "us"})
    'https://unsplash.com/@me?a=1&utm_source=us'
    """
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in more]
    return parts._replace(query=urlencode([*kept, *more.items()])).geturl()


def _of_api(url: str | None, base_url: str) -> str | None:
    """Return the URL if it leads to the API itself: it will be called with our key."""
    if url is None or any(char <= " " or char in "\\\x7f" for char in url):
        return None

    def origin(address: str) -> tuple[Any, ...]:
        parts = urlsplit(address)
        return parts.scheme, parts.netloc

    try:
        return url if origin(url) == origin(base_url) else None
    except ValueError:
        return None

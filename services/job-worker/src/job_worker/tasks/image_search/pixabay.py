"""The provider that asks Pixabay, whose terms want its pictures kept here and not linked to.

https://pixabay.com/api/docs/ describes the call; docs/providers.md what its terms ask.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from job_worker.tasks.image_search.addresses import WebAddress
from job_worker.tasks.image_search.asking import Answer, Asking
from job_worker.tasks.image_search.pictures import (
    Attribution,
    Author,
    Orientation,
    Picture,
    Progress,
    SearchPayload,
    Urls,
)
from job_worker.tasks.image_search.settings import PixabaySettings, is_loopback
from job_worker.upstream.calls import KeyRefused
from job_worker.upstream.uses import Rate

RATE: Final = Rate(100, timedelta(seconds=60))
"""What each key may ask (documentation, *Rate Limit*)."""

KEPT: Final = timedelta(hours=24)
"""How long an answer must be kept (documentation, *Rate Limit*)."""

_LONGEST: Final = 100
"""Characters of a query."""
_LEAST: Final = 3
"""Of what may be asked for at once."""
_FORMS: Final = {Orientation.LANDSCAPE: "horizontal", Orientation.PORTRAIT: "vertical"}
_SQUARISH: Final = 1.25
"""The longer side in shorter ones; the API has no word for it, so more is asked for and looked through."""
_GREY: Final = "#808080"
_ORIGINS: Final = frozenset({"https://pixabay.com", "https://cdn.pixabay.com"})


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Hit(_Read):
    id: Annotated[int, Field(ge=1, lt=2**63)]
    pageURL: Annotated[WebAddress, Field(pattern=r"^https://pixabay\.com/")]  # noqa: N815  the API's own name
    largeImageURL: WebAddress  # noqa: N815
    tags: Annotated[str, Field(max_length=20_000)] = ""
    imageWidth: Annotated[int, Field(ge=1, le=1_000_000)]  # noqa: N815
    imageHeight: Annotated[int, Field(ge=1, le=1_000_000)]  # noqa: N815
    user: Annotated[str, Field(max_length=500)]
    user_id: Annotated[int, Field(ge=0, lt=2**63)]

    @property
    def is_squarish(self) -> bool:
        longer, shorter = max(self.imageWidth, self.imageHeight), min(self.imageWidth, self.imageHeight)
        return longer <= _SQUARISH * shorter


class _Found(_Read):
    hits: Annotated[list[_Hit], Field(max_length=200)]


class PixabayProvider:
    """Searches photographs on Pixabay."""

    name: Literal["pixabay"] = "pixabay"
    hosting: Literal["rehost"] = "rehost"

    def __init__(self, *, asking: Asking, key: SecretStr, settings: PixabaySettings) -> None:
        self._asking, self._key, self._settings = asking, key, settings

    @property
    def origins(self) -> frozenset[str]:
        """Where its pictures may be fetched."""
        url = self._settings.base_url
        return frozenset({url}) if is_loopback(url) else _ORIGINS

    async def search(self, payload: SearchPayload, progress: Progress) -> list[Picture]:
        """Return what Pixabay finds, each with the address of its bytes; see `Provider`."""
        await progress(10, "asking Pixabay")
        squarish = payload.orientation is Orientation.SQUARISH
        parameters = {
            # In the query, for the API takes it nowhere else; `unsaid` keeps it out of logs.
            "key": self._key.get_secret_value(),
            "q": payload.query[:_LONGEST],
            "image_type": "photo",
            "safesearch": "true",
            "per_page": "200" if squarish else str(max(payload.count, _LEAST)),
        }
        if payload.orientation in _FORMS:
            parameters["orientation"] = _FORMS[payload.orientation]
        with unsaid(self._key):
            answer = await self._asking.get(f"{self._settings.base_url}/api/", parameters)
        self._judge(answer)
        try:
            hits = _Found.model_validate_json(
                answer.body, context={"loopback": is_loopback(self._settings.base_url)}
            ).hits
        except ValidationError as error:
            raise self._asking.unfit(error) from None
        wanted = [hit for hit in hits if hit.is_squarish or not squarish]
        return [_picture(hit) for hit in wanted[: payload.count]]

    def _judge(self, answer: Answer) -> None:
        if answer.status == 400 and b"api key" in answer.body[:1_000].lower():
            raise KeyRefused("Pixabay does not know our key (400)")
        seconds = answer.headers.get("x-ratelimit-reset", "")
        said = seconds.isascii() and seconds.isdigit()
        self._asking.judge(answer, wait=timedelta(seconds=min(int(seconds[:9]), 3_600)) if said else None)


def _picture(hit: _Hit) -> Picture:
    url = hit.largeImageURL
    return Picture(
        id=str(hit.id),
        width=hit.imageWidth,
        height=hit.imageHeight,
        color=_GREY,
        blur_hash=None,
        alt=hit.tags[:500],
        urls=Urls(full=url, regular=url, small=url, thumb=url),
        author=Author(
            name=hit.user, url=f"https://pixabay.com/users/{quote(hit.user, safe='')}-{hit.user_id}/"
        ),
        attribution=Attribution(
            text=f"Photo by {hit.user} on Pixabay",
            provider_name="Pixabay",
            provider_url=hit.pageURL,
            license="Pixabay Content License",
            license_url="https://pixabay.com/service/license-summary/",
        ),
        download_location=None,
        drawn=False,
    )


class _Redacting(logging.Filter):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        args: Any = record.args
        if isinstance(args, tuple) and any(self._secret in str(arg) for arg in args):
            record.args = tuple(
                str(arg).replace(self._secret, "***") if self._secret in str(arg) else arg for arg in args
            )
        return True


@contextmanager
def unsaid(key: SecretStr) -> Iterator[None]:
    """Keep a key out of what the HTTP library logs: at INFO it writes every address it calls."""
    filtering = _Redacting(key.get_secret_value())
    logger = logging.getLogger("httpx")
    logger.addFilter(filtering)
    try:
        yield
    finally:
        logger.removeFilter(filtering)

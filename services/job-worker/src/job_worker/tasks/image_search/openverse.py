"""The provider that asks Openverse: pictures under CC0 and CC BY, which may be shown from here with their makers named.

https://api.openverse.org/v1/ describes the calls; docs/providers.md what its terms allow.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from job_worker.tasks.image_search.addresses import Link
from job_worker.tasks.image_search.asking import Asking
from job_worker.tasks.image_search.pictures import (
    Attribution,
    Author,
    Orientation,
    Picture,
    Progress,
    SearchPayload,
    Urls,
)
from job_worker.tasks.image_search.settings import OpenverseSettings
from job_worker.upstream.uses import Rate

RATES: Final = (Rate(20, timedelta(minutes=1)), Rate(200, timedelta(days=1)))
"""What its headers tell those without an account, `x-ratelimit-limit-anon_burst` and `-anon_sustained`."""

_MOST: Final = 20
"""Pictures of one answer: more are for those who have registered."""

_FORMS: Final = {
    Orientation.LANDSCAPE: "wide",
    Orientation.PORTRAIT: "tall",
    Orientation.SQUARISH: "square",
}

_GREY: Final = "#808080"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Found(_Read):
    results: Annotated[list[Any], Field(max_length=_MOST)]


class _Image(_Read):
    """One result, in the parts that are used; a crowd of sites has filled them in."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    license: Literal["cc0", "by"]
    license_version: Annotated[str, Field(pattern=r"^[0-9.]{1,5}$")] | None = None
    license_url: Link = None
    title: Annotated[str, Field(max_length=20_000)] | None = None
    creator: Annotated[str, Field(max_length=2_000)] | None = None
    creator_url: Link = None
    foreign_landing_url: Link = None
    width: Annotated[int, Field(ge=1)] | None = None
    height: Annotated[int, Field(ge=1)] | None = None


class OpenverseProvider:
    """Searches pictures on Openverse, at most 20 of them."""

    name: Literal["openverse"] = "openverse"
    hosting: Literal["rehost"] = "rehost"

    def __init__(self, *, asking: Asking, settings: OpenverseSettings) -> None:
        self._asking, self._settings = asking, settings

    @property
    def origins(self) -> frozenset[str]:
        """Where its pictures may be fetched: from Openverse itself, which has them from a thousand sites."""
        return frozenset({self._settings.base_url})

    async def search(self, payload: SearchPayload, progress: Progress) -> list[Picture]:
        """Return what Openverse finds, each with the address of its bytes; see `Provider`."""
        await progress(10, "asking Openverse")
        parameters = {
            "q": payload.query,
            "page_size": str(min(payload.count, _MOST)),
            "license": "cc0,by",
            "mature": "false",
        }
        if payload.orientation:
            parameters["aspect_ratio"] = _FORMS[payload.orientation]
        answer = await self._asking.get(f"{self._settings.base_url}/v1/images/", parameters)
        self._asking.judge(answer)
        try:
            results = _Found.model_validate_json(answer.body).results
            return [self._picture(image) for image in _fitting(results)][: payload.count]
        except ValidationError as error:
            raise self._asking.unfit(error) from None

    def _picture(self, image: _Image) -> Picture:
        # Built and not taken from the answer: no address of a stranger is ever called.
        bytes_at = (
            f"{self._settings.base_url}/v1/images/{UUID(image.id)}/thumb/?full_size=true&compressed=true"
        )
        maker = image.creator or "an unknown maker"
        terms = "CC0" if image.license == "cc0" else "CC BY"
        terms = f"{terms} {image.license_version}" if image.license_version else terms
        title = f"\u201c{image.title[:200]}\u201d" if image.title else "Picture"
        return Picture(
            id=image.id,
            width=image.width or 1,
            height=image.height or 1,
            color=_GREY,
            blur_hash=None,
            alt=(image.title or "")[:500],
            urls=Urls(full=bytes_at, regular=bytes_at, small=bytes_at, thumb=bytes_at),
            author=Author(name=maker[:500], url=image.creator_url),
            attribution=Attribution(
                text=f"{title} by {maker[:500]}, {terms}, found on Openverse",
                provider_name="Openverse",
                provider_url=f"https://openverse.org/image/{image.id}",
                license=terms,
                license_url=image.license_url,
                source_url=image.foreign_landing_url,
            ),
            download_location=None,
            drawn=False,
        )


def _fitting(results: list[Any]) -> list[_Image]:
    """Return the results that are as documented and may be shown; raise if none of several is."""
    fitting, last = [], None
    for result in results:
        try:
            fitting.append(_Image.model_validate(result))
        except ValidationError as error:
            last = error
    if last is not None and not fitting:
        raise last
    return fitting

"""That a person has taken a picture: its provider is told by a job, for the api calls nobody outside."""

from typing import Protocol

import msgspec
from msgspec import Struct

from api.problems import NO_RESULT, NOT_FOUND, Problem, job_not_found
from api.submission import Accepted
from job_contracts.views import Record

SEARCH = "image.search"
REPORT = "image.used"


class _Image(Struct, frozen=True):
    id: str
    download_location: str | None = None


class _Result(Struct, frozen=True):
    images: list[_Image]


class Results(Protocol):
    """Where searches and what they have found are kept."""

    async def job(self, job_id: str, *, owner: str) -> Record | None:
        """Return a job."""

    async def result(self, record: Record) -> bytes | None:
        """Return its result."""


class Submitting(Protocol):
    """Takes jobs in."""

    async def accept(self, raw: bytes, *, owner: str, key: str | None) -> Accepted:
        """Store the job, or find the one that an earlier request with this key has made."""


class Using:
    """Has uses of pictures reported."""

    def __init__(self, *, results: Results, submissions: Submitting) -> None:
        self._results, self._submissions = results, submissions

    async def report(self, image_id: str, *, job_id: str, owner: str) -> Accepted | None:
        """Return the job that reports the use; None if the picture's provider asks for no report.

        One picture of one search is reported once, however often a person clicks.

        Raises
        ------
        Problem
            There is no such search, or it has found no such picture.
        """
        search = await self._results.job(job_id, owner=owner)
        if search is None or search["task"] != SEARCH:
            raise job_not_found(job_id)
        result = await self._results.result(search)
        if result is None:
            raise Problem(NO_RESULT, f"job {job_id} has found nothing yet")
        image = next((image for image in _images(result) if image.id == image_id), None)
        if image is None:
            raise Problem(NOT_FOUND, f"job {job_id} has found no picture {image_id[:64]!r}")
        if image.download_location is None:
            return None
        # Only which picture it is: the worker looks up where to report to.
        job = {"task": REPORT, "payload": {"job": job_id, "image": image_id}}
        key = f"{REPORT}:{job_id}:{image_id}"
        return await self._submissions.accept(msgspec.json.encode(job), owner=owner, key=key)


def _images(result: bytes) -> list[_Image]:
    try:
        return msgspec.json.decode(result, type=_Result).images
    except msgspec.MsgspecError:
        return []

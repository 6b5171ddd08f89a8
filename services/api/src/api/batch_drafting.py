"""Judging the jobs of a batch: all that is wrong with any of them, or a draft of each."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from msgspec import UNSET

from api.catalogue import Catalogue, CatalogueEntry
from api.drafting import Draft, payload_of, wrong_times
from api.forms import BatchSubmission, Reader, Submission
from api.problems import FieldError, Problem, invalid

_IN_ONE_GO: Final = 50
"""Jobs judged before others get their turn."""


class BatchDrafting:
    """Reads batches.

    Parameters
    ----------
    job_limit
        Bytes of one job, as if it came alone: a larger one would not fit into a message.
    """

    def __init__(self, *, catalogue: Catalogue, now: Callable[[], datetime], job_limit: int) -> None:
        self._catalogue = catalogue
        self._now = now
        self._job_limit = job_limit
        # Each job is looked at by itself: the whole would always be suspicious, and long to look at.
        self._envelopes = Reader(BatchSubmission, suspects=lambda _: False)
        self._jobs = Reader(Submission)

    async def read(
        self, raw: bytes, *, owner: str, traceparent: str | None
    ) -> tuple[BatchSubmission, list[Draft]]:
        """Return what these bytes ask for.

        Raises
        ------
        Problem
            It names everything that is wrong with any job, each by its place.
        """
        batch = self._envelopes.take(raw)
        errors = _wrong_with(batch)
        forms: dict[int, Submission] = {}
        for i, part in enumerate(batch.jobs):
            with _noting(errors, i):
                forms[i] = self._form(bytes(part))
            await _let_others(i)
        tasks = await self._catalogue.those({form.task for form in forms.values()})
        drafts = []
        for i, form in forms.items():
            with _noting(errors, i):
                drafts.append(
                    Draft(
                        owner=owner,
                        form=form,
                        payload=self._payload(form, tasks[form.task], bytes(batch.jobs[i])),
                        task=_known(tasks[form.task]),
                        key=None,
                        traceparent=traceparent,
                    )
                )
            await _let_others(i)
        if errors:
            raise invalid(errors)
        return batch, drafts

    def _form(self, raw: bytes) -> Submission:
        if len(raw) > self._job_limit:
            raise invalid([FieldError("", f"a job may have {self._job_limit} bytes")])
        return self._jobs.take(raw)

    def _payload(self, form: Submission, task: CatalogueEntry | Problem, raw: bytes) -> str:
        if wrong := wrong_times(form, self._now()):
            raise invalid(wrong)
        return payload_of(form, _known(task), raw)


def _known(task: CatalogueEntry | Problem) -> CatalogueEntry:
    if isinstance(task, Problem):
        raise task
    return task


def _wrong_with(batch: BatchSubmission) -> list[FieldError]:
    errors = []
    if batch.webhook is not UNSET:
        errors.append(FieldError("/webhook", "is not available yet"))
    if batch.name is not UNSET and "\0" in batch.name:
        errors.append(FieldError("/name", "a string must not hold NUL"))
    return errors


@contextmanager
def _noting(errors: list[FieldError], index: int) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        found = problem.errors or [FieldError("", problem.detail)]
        errors += [FieldError(f"/jobs/{index}{error.pointer}", error.detail) for error in found]


async def _let_others(index: int) -> None:
    if index % _IN_ONE_GO == _IN_ONE_GO - 1:
        await asyncio.sleep(0)

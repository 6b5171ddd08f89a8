"""Judging the jobs of a batch: all that is wrong with any of them, or a draft of each."""

import asyncio
from collections.abc import Callable
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
            try:
                forms[i] = self._form(bytes(part))
            except Problem as problem:
                errors += _of_job(i, problem)
            if i % _IN_ONE_GO == _IN_ONE_GO - 1:
                await asyncio.sleep(0)
        tasks = await self._catalogue.those({form.task for form in forms.values()})
        now, drafts = self._now(), []
        for i, form in forms.items():
            try:
                if wrong := wrong_times(form, now):
                    raise invalid(wrong)
                task = _known(tasks[form.task])
                payload = payload_of(form, task, bytes(batch.jobs[i]))
                drafts.append(Draft(owner, form, payload, task, key=None, traceparent=traceparent))
            except Problem as problem:
                errors += _of_job(i, problem)
            if i % _IN_ONE_GO == _IN_ONE_GO - 1:
                await asyncio.sleep(0)
        if errors:
            raise invalid(errors)
        return batch, drafts

    def _form(self, raw: bytes) -> Submission:
        if len(raw) > self._job_limit:
            raise invalid([FieldError("", f"a job may have {self._job_limit} bytes")])
        return self._jobs.take(raw)


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


def _of_job(index: int, problem: Problem) -> list[FieldError]:
    found = problem.errors or [FieldError("", problem.detail)]
    return [FieldError(f"/jobs/{index}{error.pointer}", error.detail) for error in found]

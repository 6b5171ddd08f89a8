"""Judging the jobs of a batch: what is wrong with the first of them, or a draft of each."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from msgspec import UNSET, Raw

from api import door
from api.catalogue import Catalogue
from api.drafting import Draft, payload_of, wrong_times
from api.forms import MAX_JOBS, BatchSubmission, Reader, Submission
from api.problems import MAX_ERRORS, FieldError, Problem, invalid

_IN_ONE_GO: Final = 50
"""Jobs judged before others get their turn."""

_LARGE: Final = 4 * 1024
"""Bytes of a job after which others get their turn at once."""

_MANY: Final = 20_000
"""Commas of a batch that is looked at before it is read: very many jobs, or jobs that hold very much."""


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
            It names what is wrong with the first jobs that do not fit, each by its place.
        """
        # Of very many jobs each would be an object before the decoder counts them.
        if raw.count(b",") > _MANY and door.has_more(raw, level=2, most=MAX_JOBS):
            raise invalid([FieldError("/jobs", f"a batch may have {MAX_JOBS} jobs")])
        batch = self._envelopes.take(raw)
        wrong = _Wrong(batch)
        forms: dict[int, Submission] = {}
        for i, part in enumerate(batch.jobs):
            try:
                forms[i] = self._form(bytes(part))
            except Problem as problem:
                await wrong.note(i, problem)
            if _is_others_turn(i, part):
                await asyncio.sleep(0)
        tasks = await self._catalogue.those({form.task for form in forms.values()})
        now, drafts = self._now(), []
        for i, form in forms.items():
            try:
                if times := wrong_times(form, now):
                    raise invalid(times)
                if (task := tasks.get(form.task)) is None:
                    raise self._catalogue.unknown(form.task)
                payload = payload_of(form, task, bytes(batch.jobs[i]))
                drafts.append(Draft(owner, form, payload, task, key=None, traceparent=traceparent))
            except Problem as problem:
                await wrong.note(i, problem)
            if _is_others_turn(i, batch.jobs[i]):
                await asyncio.sleep(0)
        if wrong.errors:
            raise invalid(wrong.errors)
        return batch, drafts

    def _form(self, raw: bytes) -> Submission:
        if len(raw) > self._job_limit:
            raise invalid([FieldError("", f"a job may have {self._job_limit} bytes")])
        return self._jobs.take(raw)


def _is_others_turn(index: int, job: Raw) -> bool:
    return index % _IN_ONE_GO == _IN_ONE_GO - 1 or memoryview(job).nbytes > _LARGE


class _Wrong:
    """What is wrong with a batch, until there is more than anybody is told."""

    def __init__(self, batch: BatchSubmission) -> None:
        self.errors: list[FieldError] = []
        if batch.webhook is not UNSET:
            self.errors.append(FieldError("/webhook", "is not available yet"))
        if batch.name is not UNSET and "\0" in batch.name:
            self.errors.append(FieldError("/name", "a string must not hold NUL"))

    async def note(self, index: int, problem: Problem) -> None:
        """Note what is wrong with a job; `Problem` ends the looking when it is enough."""
        found = problem.errors or [FieldError("", problem.detail)]
        self.errors += [FieldError(f"/jobs/{index}{error.pointer}", error.detail) for error in found]
        if len(self.errors) >= MAX_ERRORS:
            raise invalid(self.errors)
        # To find what is wrong takes longer than to find that nothing is.
        await asyncio.sleep(0)

"""Records how jobs succeeded: first the result, unless it says nothing, then the move, then the event."""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol
from uuid import uuid4

from job_contracts.lifecycle import JobState
from job_contracts.messages import JobSucceeded, MessageRejected, UnreadableError, read_succeeded
from job_contracts.minutes import Ending
from job_contracts.record import EMPTY_RESULTS, STRAY_MARGIN, GuardedMove, succeed
from job_contracts.rejection import Received, reject
from job_contracts.topics import Topic
from job_contracts.views import Record, one_line
from service_chassis import failpoints
from service_chassis.metrics import Metrics

log = logging.getLogger(__name__)

_EMPTY: Final = {text.encode(): text for text in EMPTY_RESULTS}

_Alike = dict[tuple[int, str | None], list[JobSucceeded]]


class ResultStore(Protocol):
    """What recording asks of storage."""

    async def keep(self, outcomes: Sequence[JobSucceeded], *, lifetime: timedelta) -> None:
        """Store results; one that is there already for the same job and version stays."""

    async def move(self, moves: Sequence[GuardedMove], ids: Collection[str]) -> tuple[int, dict[str, Record]]:
        """Apply moves; return how many jobs moved, and what is told and counted of these jobs then."""


class RecordingPublisher(Protocol):
    """What recording tells the others."""

    async def changed(self, jobs: Sequence[tuple[Record, bytes]]) -> None:
        """Announce the stored state of jobs, each with its result."""

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        """Divert what could not be read."""


class EndedJobs(Protocol):
    """Counts jobs that have ended."""

    def add(self, endings: Iterable[Ending]) -> None:
        """Count these jobs, each given once; never waits."""


class Recording:
    """Turns messages of `results` into results and succeeded jobs.

    A batch may be recorded again: results that are stored stay, a move that was made
    matches nothing, and what has succeeded is announced once more, since nobody knows
    whether the first announcement got through. Readers drop what they have seen. In the
    figures a job counts when this very batch has moved it, so never twice.

    Parameters
    ----------
    store
        Where records and results are.
    publisher
        Announces moves and diverts what is unreadable.
    figures
        Counts the jobs that have ended.
    metrics
        Counts what became of each message.
    retention
        How long a succeeded job is kept.
    """

    def __init__(
        self,
        *,
        store: ResultStore,
        publisher: RecordingPublisher,
        figures: EndedJobs,
        metrics: Metrics,
        retention: timedelta,
    ) -> None:
        self._store, self._publisher, self._figures = store, publisher, figures
        self._retention = retention
        self._dropped = metrics.dropped
        self._recorded = metrics.counter(
            "results_recorded_total", "Messages of `results` by what became of them", "outcome"
        )
        self._seconds = metrics.histogram("recording_seconds", "Time to record one batch")
        self._lives = metrics.histogram("job_seconds", "From a job's acceptance to its end", "state")

    async def record(self, batch: Sequence[Received]) -> None:
        """Record a batch; whatever this raises, the same batch may be given again."""
        with self._seconds.time():
            outcomes, letters = _read(batch)
            if outcomes:
                await self._succeed(outcomes)
            # Last, so that an outage which repeats the batch does not divert the same bytes many times.
            if letters:
                await self._publisher.rejected(letters)
                self._recorded.labels("rejected").inc(len(letters))
                log.warning("messages.unreadable", extra={"topic": Topic.RESULTS, "count": len(letters)})

    async def quarantine(self, received: Received, error: Exception) -> None:
        """Divert a message that nobody can handle, byte for byte."""
        await self._publisher.rejected([reject(received, error)])
        self._recorded.labels("rejected").inc()

    async def _succeed(self, outcomes: Sequence[JobSucceeded]) -> None:
        alike = _alike(outcomes)
        telling = [o for (_, empty), group in alike.items() if empty is None for o in group]
        await self._store.keep(telling, lifetime=self._retention + STRAY_MARGIN)
        if failpoints.ON:
            failpoints.hit("after_keep")
        token = uuid4().hex
        ids = {outcome.job_id for outcome in outcomes}
        moved, records = await self._store.move(self._moves(alike, token), ids)
        if failpoints.ON:
            failpoints.hit("after_move")
        self._recorded.labels("succeeded").inc(moved)
        done: dict[str, tuple[Record, bytes]] = {}
        endings: dict[str, Ending] = {}
        dropped: Counter[str] = Counter()
        for outcome in outcomes:
            record = records.get(outcome.job_id)
            if record is None:
                dropped["unknown_job"] += 1
            elif record["state"] != JobState.SUCCEEDED or record["version"] != outcome.version + 1:
                dropped["stale_version"] += 1
            else:
                done.setdefault(outcome.job_id, (record, one_line(bytes(outcome.result))))
                if record.get("ended_by") == token:
                    endings.setdefault(outcome.job_id, Ending(record, outcome.run_seconds))
        # First: should the publish fail, this batch comes again under another token.
        self._figures.add(endings.values())
        await self._publisher.changed(list(done.values()))
        lives = self._lives.labels(str(JobState.SUCCEEDED))
        for ending in endings.values():
            lives.observe((ending.record["finished_at"] - ending.record["created_at"]).total_seconds())
        # A job may be deleted between its move and the reading.
        self._recorded.labels("repeated").inc(max(0, len(done) - moved))
        for reason, count in dropped.items():
            self._dropped.labels(Topic.RESULTS, reason).inc(count)

    def _moves(self, alike: _Alike, token: str) -> list[GuardedMove]:
        return [
            succeed([o.job_id for o in group], version, retention=self._retention, token=token, result=empty)
            for (version, empty), group in alike.items()
        ]


def _alike(outcomes: Sequence[JobSucceeded]) -> _Alike:
    """Return outcomes by version and, where it says nothing, result."""
    alike: _Alike = defaultdict(list)
    for outcome in outcomes:
        alike[outcome.version, _EMPTY.get(bytes(outcome.result))].append(outcome)
    return alike


def _read(batch: Sequence[Received]) -> tuple[list[JobSucceeded], list[MessageRejected]]:
    outcomes, letters = [], []
    for received in batch:
        try:
            outcomes.append(read_succeeded(received.value))
        except UnreadableError as error:
            letters.append(reject(received, error))
    return outcomes, letters

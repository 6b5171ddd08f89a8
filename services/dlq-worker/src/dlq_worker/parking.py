"""Parks dead letters: first the letter with its exact bytes, then the move, then the event."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import uuid4

from job_contracts.lifecycle import ErrorKind, JobState
from job_contracts.messages import ErrorInfo, JobFailed, MessageRejected, UnreadableError, read_dead_letter
from job_contracts.minutes import Addition, Ending, additions
from job_contracts.record import STRAY_MARGIN, GuardedMove, fail, fail_expired
from job_contracts.rejection import Received, reject
from job_contracts.topics import Topic
from job_contracts.views import Record
from service_chassis import failpoints
from service_chassis.metrics import Metrics

_RAN: Final = frozenset({ErrorKind.REJECTED, ErrorKind.EXHAUSTED, ErrorKind.TIMED_OUT})
"""An expired job has not run, and of one whose worker is dead nobody knows for how long it did."""

_KEPT: Final = 4_096
"""Characters of an error that go into the record and so into every view; the letter itself keeps all."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of `dead-letter`, where it stood and what it says."""

    received: Received
    says: JobFailed | MessageRejected

    @property
    def raw(self) -> bytes:
        """The bytes to keep: of the message that was rejected, or of the letter itself."""
        return self.says.raw if isinstance(self.says, MessageRejected) else self.received.value or b""

    def id_on(self, cluster: str) -> str:
        """The same whenever this message is read, and no other message's.

        Offsets begin anew on another cluster, and on a topic that was deleted and made again:
        there the moment at which Kafka took the message tells the two apart.
        """
        at = self.received
        return f"{cluster}.{at.topic}.{at.partition}.{at.offset}.{at.timestamp}"


class LetterStore(Protocol):
    """What parking asks of storage."""

    async def keep(self, letters: Sequence[DeadLetter], *, cluster: str, lifetime: timedelta) -> None:
        """Store letters by where they stood; one that is there already stays."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply moves in one round trip; return how many jobs moved."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is told and counted of the records with these ids."""

    async def count(self, additions: Sequence[Addition]) -> None:
        """Add to the minutes in which jobs ended, in one round trip."""


class ParkingPublisher(Protocol):
    """What parking tells the others."""

    async def changed(self, records: Sequence[Record]) -> None:
        """Announce the stored state of jobs."""


class Parking:
    """Turns messages of `dead-letter` into dead letters and failed jobs.

    Whatever stands on the topic is kept: a letter that comes too late for its job, and
    bytes that are no letter at all. It publishes to `job-events` alone, so nothing it
    receives can come back to it. A batch may be parked again, as with results; in the figures
    a job counts when this very batch has moved it, so never twice.

    Parameters
    ----------
    store
        Where records and letters are.
    publisher
        Announces moves.
    cluster_id
        Asks Kafka for its id: offsets begin anew on another cluster.
    metrics
        Counts what became of each message.
    retention
        How long a failed job is kept.
    letter_retention
        How long a letter is kept; in any case longer than its job.
    """

    def __init__(
        self,
        *,
        store: LetterStore,
        publisher: ParkingPublisher,
        cluster_id: Callable[[], Awaitable[str]],
        metrics: Metrics,
        retention: timedelta,
        letter_retention: timedelta,
    ) -> None:
        self._store, self._publisher = store, publisher
        self._ask_cluster_id = cluster_id
        self._cluster_id = ""
        self._retention = retention
        self._lifetime = max(letter_retention, retention + STRAY_MARGIN)
        self._dropped = metrics.dropped
        self._parked = metrics.counter(
            "letters_parked_total", "Messages of `dead-letter` by what became of them", "outcome"
        )
        self._seconds = metrics.histogram("parking_seconds", "Time to park one batch")
        self._lives = metrics.histogram("job_seconds", "From a job's acceptance to its end", "state")

    async def park(self, batch: Sequence[Received]) -> None:
        """Park a batch; whatever this raises, the same batch may be given again."""
        with self._seconds.time():
            letters = [_read(received) for received in batch]
            self._cluster_id = self._cluster_id or await self._ask_cluster_id()
            await self._store.keep(letters, cluster=self._cluster_id, lifetime=self._lifetime)
            if failpoints.ON:
                failpoints.hit("after_keep")
            failures = [letter.says for letter in letters if isinstance(letter.says, JobFailed)]
            if failures:
                await self._fail(failures)
            self._parked.labels("message_rejected").inc(len(letters) - len(failures))

    async def quarantine(self, received: Received, error: Exception) -> None:
        """Keep a message that nobody can handle as the bytes it is; safe to repeat."""
        self._cluster_id = self._cluster_id or await self._ask_cluster_id()
        letter = DeadLetter(received, reject(received, error))
        await self._store.keep([letter], cluster=self._cluster_id, lifetime=self._lifetime)
        self._parked.labels("message_rejected").inc()

    async def _fail(self, failures: Sequence[JobFailed]) -> None:
        token = uuid4().hex
        moved = await self._store.apply(self._moves(failures, token))
        if failpoints.ON:
            failpoints.hit("after_move")
        self._parked.labels("failed").inc(moved)
        records = await self._store.records({failure.job_id for failure in failures})
        done: dict[str, Record] = {}
        dropped: Counter[str] = Counter()
        for failure in failures:
            record = records.get(failure.job_id)
            if record is None:
                dropped["unknown_job"] += 1
            elif record["state"] != JobState.FAILED or record["version"] != failure.version + 1:
                dropped["stale_version"] += 1
            else:
                done[failure.job_id] = record
        endings = [_ending(record) for record in done.values() if record.get("ended_by") == token]
        # Side by side: readers do not wait for figures.
        await asyncio.gather(
            self._publisher.changed(list(done.values())), self._store.count(additions(endings))
        )
        for ending in endings:
            lived = ending.record["finished_at"] - ending.record["created_at"]
            self._lives.labels(str(JobState.FAILED)).observe(lived.total_seconds())
        # A job may be deleted between its move and the reading.
        self._parked.labels("repeated").inc(max(0, len(done) - moved))
        for reason, count in dropped.items():
            self._dropped.labels(Topic.DEAD_LETTER, reason).inc(count)

    def _moves(self, failures: Sequence[JobFailed], token: str) -> list[GuardedMove]:
        alike: dict[tuple[int, ErrorKind, ErrorInfo], list[str]] = defaultdict(list)
        for failure in failures:
            alike[failure.version, failure.kind, _shortened(failure.error)].append(failure.job_id)
        return [self._move(ids, *same, token) for same, ids in alike.items()]

    def _move(
        self, ids: Sequence[str], version: int, kind: ErrorKind, error: ErrorInfo, token: str
    ) -> GuardedMove:
        retention = self._retention
        if kind is ErrorKind.EXPIRED:
            return fail_expired(ids, version, error=error, retention=retention, token=token)
        # It says that the job ran: one that waits it cannot end.
        return fail(ids, version, kind=kind, error=error, retention=retention, token=token)


def _read(received: Received) -> DeadLetter:
    try:
        return DeadLetter(received, read_dead_letter(received.value))
    except UnreadableError as error:
        return DeadLetter(received, reject(received, error))


def _ending(record: Record) -> Ending:
    began = record.get("started_at") if record["error"]["kind"] in _RAN else None
    return Ending(record, None if began is None else (record["finished_at"] - began).total_seconds())


def _shortened(error: ErrorInfo) -> ErrorInfo:
    return ErrorInfo(type=error.type[:_KEPT], message=error.message[:_KEPT])

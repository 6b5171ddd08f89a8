"""Turns a batch of messages into jobs that run here.

Read → claim with one update for each version → run. What cannot be read goes to
`dead-letter` byte for byte; what this worker cannot take now is handed over.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from aiokafka import ConsumerRecord

from job_contracts.keeping import hand_over, keep_pending
from job_contracts.messages import JobRequested, MessageRejected, UnreadableError, read_requested
from job_contracts.record import GuardedMove, claim, give_back, park
from job_contracts.rejection import reject
from job_contracts.topics import Topic
from job_contracts.views import Record
from job_worker.execution import TO_LEAVE, Execution
from job_worker.lanes import KEPT_FOR, Lane, Lanes
from job_worker.lease import Lease
from job_worker.moving import Moving
from job_worker.pauses import Pauses
from job_worker.tasks import Task
from service_chassis import failpoints
from service_chassis.metrics import Metrics
from service_chassis.server import Grace

log = logging.getLogger(__name__)

_FULL_FOR = timedelta(seconds=1)
_MOST = 500


class ClaimStore(Protocol):
    """What claiming asks of storage."""

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        """Apply guarded moves; return how many records matched."""

    async def claimed_ids(self, ids: Sequence[str], token: str) -> set[str]:
        """Return which jobs a claim has got."""

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        """Return what is stored."""


class RejectPublisher(Protocol):
    """Where unreadable messages go."""

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        """Publish them byte for byte."""


class Claiming:
    """Claims jobs for this worker."""

    def __init__(
        self,
        *,
        store: ClaimStore,
        publisher: RejectPublisher,
        execution: Execution,
        moving: Moving,
        lease: Lease,
        lanes: Lanes,
        pauses: Pauses,
        tasks: Mapping[str, Task],
        digest: Callable[[str], str],
        now: Callable[[], datetime],
        grace: Grace,
        metrics: Metrics,
    ) -> None:
        self._store, self._publisher = store, publisher
        self._execution, self._moving = execution, moving
        self._lease, self._lanes, self._tasks = lease, lanes, tasks
        self._slots = lanes.loop.slots
        self._pauses, self._now, self._digest = pauses, now, digest
        self._grace = grace
        self._room = 0
        self._open: set[asyncio.Task[None]] = set()
        """Claims of which MongoDB has not said yet what they have got."""
        self._dropped = metrics.dropped
        self._parked = metrics.counter("jobs_parked_total", "Jobs whose task was paused when their turn came")
        self._handed_over = metrics.counter(
            "jobs_handed_over_total", "Jobs given to a fitter worker", "reason"
        )

    async def __aenter__(self) -> "Claiming":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Learn what the last claims have got, so that it is run or given back and no attempt is consumed."""
        if self._open:
            await asyncio.wait(self._open, timeout=self._grace.left(but=TO_LEAVE))
        for one in list(self._open):
            one.cancel()

    async def wanted(self) -> int:
        """Wait until messages are wanted: as many as will soon have a slot.

        A worker that stays full takes messages only while another has room, and hands
        them over: nothing waits behind a full worker, and nothing is tossed between full ones.
        """
        await self._pauses.known()
        while True:
            await self._lease.held()
            if self._slots.free > 0 or await self._slots.wait_free(_FULL_FOR):
                self._room = min(self._slots.room, _MOST)
                return self._room
            if self._lease.free_elsewhere > 0:
                self._room = 0
                return min(self._lease.free_elsewhere, _MOST)

    async def claim(self, records: Sequence[ConsumerRecord]) -> None:
        """Claim and start what these messages ask for; after this they may be committed."""
        requests = await self._park(self._in_time(await self._read(records)))
        requests = await self._keep(requests, lambda r: r.task in self._tasks, "unknown_task")
        requests = await self._keep(requests, lambda r: not self._has_refused(r), "other_version")
        living = self._execution.living
        if any(r.job_id in living for r in requests):
            await self._keep_pending({KEPT_FOR: [r for r in requests if r.job_id in living]})
            requests = [r for r in requests if r.job_id not in living]
        for lane, known in self._by_lane(requests).items():
            if lane is self._lanes.loop:
                # What was wanted is claimed, even if jobs have become a little slower since.
                room = max(self._room, self._slots.room)
                await self._hand_over(known[room:], "full")
                if known[:room]:
                    await self._take(known[:room])
            else:
                await self._claim_or_keep(lane, known)

    async def claim_kept(self, lane: Lane) -> None:
        """Claim and start what has waited for a place, as far as there is one now."""
        async with lane.claiming:
            waited = await self._park(self._in_time(lane.backlog.take(lane.slots.room)))
            if waited:
                await self._take(waited)

    async def leave(self) -> None:
        """Let others have what has waited for a place here."""
        for lane in self._lanes.others:
            await self._hand_over(lane.backlog.take(len(lane.backlog)), "leaving")

    def _by_lane(self, requests: Sequence[JobRequested]) -> Mapping[Lane, list[JobRequested]]:
        lanes: dict[Lane, list[JobRequested]] = defaultdict(list)
        for request in requests:
            lanes[self._lanes.of(self._tasks[request.task])].append(request)
        return lanes

    async def _claim_or_keep(self, lane: Lane, requests: Sequence[JobRequested]) -> None:
        async with lane.claiming:
            # Nobody overtakes those that have waited.
            room = 0 if len(lane.backlog) else lane.slots.room
            await self._keep_pending(lane.backlog.book(requests[room:]))
            if requests[:room]:
                await self._take(requests[:room])

    async def _keep_pending(self, later: Mapping[timedelta, Sequence[JobRequested]]) -> None:
        moves = [
            keep_pending(ids, version, wait=wait)
            for wait, requests in later.items()
            for version, ids in _by_version(requests).items()
        ]
        if moves:
            await self._moving.until_answered(self._store.apply, moves)

    async def _take(self, requests: Sequence[JobRequested]) -> None:
        # Whoever no longer waits, as at the end, leaves nothing in doubt: what MongoDB has given us is started.
        claim = asyncio.create_task(self._claim_and_start(requests), name="claim")
        self._open.add(claim)
        claim.add_done_callback(self._open.discard)
        await asyncio.shield(claim)

    async def quarantine(self, record: ConsumerRecord, error: Exception) -> None:
        """Divert a message that nobody can handle, byte for byte."""
        await self._publisher.rejected([reject(record, error)])

    async def _read(self, records: Sequence[ConsumerRecord]) -> list[JobRequested]:
        requests: dict[str, JobRequested] = {}
        rejected = []
        for record in records:
            try:
                request = read_requested(record.value)
            except UnreadableError as error:
                rejected.append(reject(record, error))
                continue
            known = requests.get(request.job_id)
            # Two messages of one job in a batch: the newer version is the one that can match.
            if known is None or known.version < request.version:
                requests[request.job_id] = request
        if rejected:
            log.warning("messages.unreadable", extra={"topic": Topic.JOBS, "count": len(rejected)})
            await self._publisher.rejected(rejected)
        return list(requests.values())

    def _in_time(self, requests: Sequence[JobRequested]) -> list[JobRequested]:
        """Leave out what has expired: its `wake_at` is due, so the dispatcher ends it."""
        now = self._now()
        timely = [r for r in requests if r.expire_by is None or r.expire_by > now]
        if len(timely) < len(requests):
            self._dropped.labels(Topic.JOBS, "expired").inc(len(requests) - len(timely))
        return timely

    async def _park(self, requests: Sequence[JobRequested]) -> list[JobRequested]:
        """Let the jobs of paused tasks wait, but for probes; return the others."""
        paused = [r for r in requests if not r.probe and self._pauses.of(r.task) is not None]
        if not paused:
            return list(requests)
        moves = [park(ids, version) for version, ids in _by_version(paused).items()]
        await self._moving.until_answered(self._store.apply, moves)
        stored = await self._moving.until_answered(self._store.records, [r.job_id for r in paused])
        await self._moving.announce(
            [s for r in paused if (s := stored.get(r.job_id)) and s["version"] == r.version + 1]
        )
        self._parked.inc(len(paused))
        parked = {r.job_id for r in paused}
        return [r for r in requests if r.job_id not in parked]

    async def _claim_and_start(self, requests: Sequence[JobRequested]) -> None:
        worker, token = await self._lease.held(), uuid4().hex
        moves = [
            claim(ids, version, worker=worker, token=token) for version, ids in _by_version(requests).items()
        ]
        ids = [request.job_id for request in requests]
        # A claim whose answer was lost is made again with the same token: it then matches nothing,
        # and the token tells what the first one got (docs/protocol.md, 5).
        matched = await self._moving.until_answered(self._store.apply, moves)
        ours = set(ids)
        if matched < len(ids):
            ours = await self._moving.until_answered(self._store.claimed_ids, ids, token)
            self._dropped.labels(Topic.JOBS, "stale_version").inc(len(ids) - len(ours))
        if failpoints.ON:
            failpoints.hit("after_claim")
        for request in requests:
            if request.job_id not in ours:
                continue
            if worker != self._lease.worker_id:
                # The lease lapsed while MongoDB was away: what was got under it is not ours to run.
                await self._moving.make(
                    request.job_id, request.version + 1, give_back(request.job_id, request.version + 1)
                )
            else:
                self._execution.start(request, worker=worker)

    def _has_refused(self, request: JobRequested) -> bool:
        """Whether a worker with the same model as this one could not read the payload."""
        return bool(request.refused) and self._digest(request.task) in request.refused

    async def _keep(
        self, requests: Sequence[JobRequested], fits: Callable[[JobRequested], bool], reason: str
    ) -> list[JobRequested]:
        """Return the requests that fit, and hand the others over."""
        kept: list[JobRequested] = []
        others: list[JobRequested] = []
        for request in requests:
            (kept if fits(request) else others).append(request)
        await self._hand_over(others, reason)
        return kept

    async def _hand_over(self, requests: Sequence[JobRequested], reason: str) -> None:
        if not requests:
            return
        await self._store.apply([hand_over(ids, version) for version, ids in _by_version(requests).items()])
        self._lease.free_elsewhere -= len(requests)
        self._handed_over.labels(reason).inc(len(requests))


def _by_version(requests: Sequence[JobRequested]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    for request in requests:
        groups[request.version].append(request.job_id)
    return groups

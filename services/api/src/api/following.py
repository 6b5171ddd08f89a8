"""What a stream says of one job, or of many: subscribe, then read, then send what is newer."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from typing import Any, Final, Protocol

from api import sse
from api.cursor import Cursor
from api.fanout import Filters, Hub, Mailbox
from api.legible import Legible, shown_job
from api.live_event import LiveEvent
from api.problems import job_not_found
from api.receiving import Heard
from api.ring import Ring
from api.settings import OWNER
from api.streams import Stream, Streams
from job_contracts.messages import is_job_id
from job_contracts.record import INLINE_LIMIT
from service_chassis.server import Scope, Send

_CATCH_UP: Final = timedelta(seconds=2)
"""Longest wait until this replica has read what another one had sent already."""


class FollowedJobs(Protocol):
    """Where a watched job is read from."""

    async def job(self, job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        """Return a job."""

    async def result(self, record: Mapping[str, Any], *, limit: int | None = None) -> bytes | None:
        """Return the true result of a job."""


class Following:
    """Fills streams from mailboxes of the hub."""

    def __init__(
        self,
        *,
        hub: Hub,
        ring: Ring[Heard],
        store: FollowedJobs,
        streams: Streams,
        mailbox: int,
        legible: Legible | None = None,
    ) -> None:
        self._legible = legible or Legible()
        self._hub, self._ring, self._store, self._streams = hub, ring, store, streams
        self._room = mailbox

    async def of_job(self, scope: Scope, send: Send) -> None:
        """Serve GET /jobs/{job_id}/events."""
        job_id = scope["path_params"]["job_id"]
        if not is_job_id(job_id):
            raise job_not_found(job_id)
        mailbox = Mailbox(room=self._room)
        self._hub.watch(job_id, mailbox)
        try:
            record = await self._store.job(job_id, owner=OWNER)
            if record is None:
                raise job_not_found(job_id)
            result = await self._store.result(record, limit=INLINE_LIMIT)
            self._legible.one(record, lambda stored: shown_job(stored, result), of="events")
            snapshot = LiveEvent.of_record(record, result)
            mailbox.put(snapshot)
            # An event tells what was stored before it: who claims to have more than is stored has it from elsewhere.
            if (had := sse.moment_of(sse.last_event_id(scope))) <= snapshot.moment:
                mailbox.skip_until(had)
            if snapshot.is_final:
                mailbox.end()
            await self._streams.serve(scope, send, mailbox, _follow_one)
        finally:
            self._hub.unwatch(job_id, mailbox)

    async def of_many(self, scope: Scope, send: Send, filters: Filters) -> None:
        """Serve GET /events."""
        mailbox = Mailbox(room=self._room)
        came_from = sse.last_event_id(scope)
        cursor = Cursor.parse(came_from) if came_from is not None else None
        if cursor is not None:
            await self._ring.reach(cursor, _CATCH_UP)
        # From here to the end of the replay nothing else runs, so nothing comes twice or not at all.
        self._hub.follow(OWNER, filters, mailbox)
        try:
            if came_from is not None:
                self._replay(cursor, filters, mailbox)
            await self._streams.serve(scope, send, mailbox, self._follow_many)
        finally:
            self._hub.unfollow(OWNER, mailbox)

    def _replay(self, cursor: Cursor | None, filters: Filters, mailbox: Mailbox) -> None:
        missed = self._ring.after(cursor) if cursor is not None else None
        if missed is None:
            mailbox.reset("no replay from there")
            return
        events = [event for heard in missed if (event := heard.event()) is not None]
        self._hub.replay(OWNER, filters, mailbox, events)

    async def _follow_many(self, stream: Stream) -> None:
        mailbox, is_placed = stream.mailbox, False
        while not stream.is_closed:
            why = mailbox.take_missed()
            body = sse.reset(why) if why else b""
            events, beat, bye = mailbox.take(), _heartbeat(stream), stream.bye
            if body or events or beat or not is_placed or bye:
                # The mailbox is empty now: a reader that has all of this has all that came before this place.
                is_placed = True
                last = beat + sse.place(self._ring.place) + (sse.bye() if bye else b"")
                await stream.write_all(chain((body,), (event.listed for event in events)), last)
                if bye:
                    return
            # What came while it was written has woken it already.
            await mailbox.wait()


async def _follow_one(stream: Stream) -> None:
    mailbox = stream.mailbox
    while not stream.is_closed:
        events = mailbox.take()
        for event in events:
            mailbox.skip_until(event.moment)
        over = mailbox.ended or any(event.is_final for event in events)
        body = b"".join([event.whole for event in events]) + _heartbeat(stream)
        last = sse.END if over else sse.bye() if stream.bye else b""
        if body or last:
            await stream.write(body + last)
        if last:
            return
        await mailbox.wait()


def _heartbeat(stream: Stream) -> bytes:
    if not stream.wants_beat:
        return b""
    stream.wants_beat = False
    return sse.heartbeat()

"""Requests that wait for a job instead of asking again and again (`Prefer: wait`, RFC 7240, 4.3).

One waits in a mailbox of the hub, as a stream does, and holds nothing else: no place in a group of
submissions, no connection to the database. It is over when the job has moved, the time is up, the client has
gone or the service ends; whoever finds no room is answered at once, as without the preference.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from api.fanout import Hub, Mailbox
from api.live_event import LiveEvent, Moment
from job_contracts.record import INLINE_LIMIT
from service_chassis.descriptors import holds_one_of_the_last
from service_chassis.server import Receive, Scope

log = logging.getLogger(__name__)

LONGEST: Final = 30
"""Seconds: gateways and clients give up on a silent request soon after."""

_ROOM: Final = 10
"""A mailbox of one job holds its newest state and progress."""


class WaitingStore(Protocol):
    """Where a job is read from."""

    async def job(self, job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        """Return a job."""

    async def result(self, record: Mapping[str, Any], *, limit: int | None = None) -> bytes | None:
        """Return the true result of a job."""


class Waiting:
    """All requests of this replica that wait; a part of the service, ended before the server is."""

    def __init__(self, *, hub: Hub, store: WaitingStore, most: int) -> None:
        self._hub = hub
        self._store = store
        self._most = most
        self._open: set[Mailbox] = set()
        self._closing = False

    async def __aenter__(self) -> "Waiting":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for mailbox in self._open:
            mailbox.end()

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def watching(
        self, job_id: str, seconds: int, scope: Scope, receive: Receive
    ) -> AsyncIterator[Mailbox | None]:
        """Give a mailbox for a job, which ends when the client has gone; None if there is no room or no wish."""
        if not seconds or not self._has_room_for(scope):
            yield None
            return
        mailbox = Mailbox(room=_ROOM)
        self._hub.watch(job_id, mailbox)
        self._open.add(mailbox)
        leaving = asyncio.create_task(_gone(receive, mailbox))
        try:
            yield mailbox
        finally:
            leaving.cancel()
            self._open.discard(mailbox)
            self._hub.unwatch(job_id, mailbox)

    async def end_of(self, job_id: str, mailbox: Mailbox, *, owner: str, seconds: int) -> LiveEvent | None:
        """Wait for the end of a job and return its newest state, be it final or not; None if none was seen."""
        newest: LiveEvent | None = None

        def is_over(event: LiveEvent) -> bool:
            nonlocal newest
            if not event.is_progress:
                newest = event
            return event.is_final

        # It may have ended before the mailbox was there.
        looking = asyncio.create_task(self._look(job_id, owner, mailbox))
        try:
            await _until(is_over, mailbox, seconds)
        finally:
            looking.cancel()
        return newest

    async def _look(self, job_id: str, owner: str, mailbox: Mailbox) -> None:
        try:
            if (record := await self._store.job(job_id, owner=owner)) is not None:
                result = await self._store.result(record, limit=INLINE_LIMIT)
                mailbox.put(LiveEvent.of_record(record, result))
        except Exception as error:  # noqa: BLE001  the job is accepted; watched jobs are read again in any case
            log.info("waiting.not_read", extra={"reason": f"{type(error).__name__}: {str(error)[:200]}"})

    async def change_after(self, moment: Moment, mailbox: Mailbox, *, seconds: int) -> bool:
        """Wait until something newer than this moment has happened; false if nothing has in time."""
        return await _until(lambda event: event.moment > moment, mailbox, seconds)

    def _has_room_for(self, scope: Scope) -> bool:
        if self._closing or len(self._open) >= self._most:
            return False
        return not holds_one_of_the_last(scope.get("extensions", {}).get("transport"))


async def _until(enough: Callable[[LiveEvent], bool], mailbox: Mailbox, seconds: int) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while True:
                if any(enough(event) for event in mailbox.take()):
                    return True
                if mailbox.ended:
                    return False
                await mailbox.wait()
    except TimeoutError:
        return False


async def _gone(receive: Receive, mailbox: Mailbox) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    mailbox.end()


def wait_of(preferences: Iterable[str]) -> int:
    """Return how many seconds a client would wait, by its `Prefer` headers; the first counts, the others do not.

    >>> wait_of(["respond-async, Wait=10; foo", "wait=5"]), wait_of(["wait=600"]), wait_of(["wait=soon"])
    (10, 30, 0)
    """
    for preference in ",".join(preferences).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            seconds = value.strip().strip('"')
            return min(int(seconds[:9]), LONGEST) if seconds.isascii() and seconds.isdecimal() else 0
    return 0


def applied(seconds: int) -> tuple[str, str]:
    """Return the header that says for how long one would have waited.

    >>> applied(10)
    ('preference-applied', 'wait=10')
    """
    return "preference-applied", f"wait={seconds}"

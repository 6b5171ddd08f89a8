"""One stream of events in, thousands of readers out: a mailbox for each, the newest state only.

A mailbox is no queue: it holds the newest event of each job, so a slow reader gets fewer
and newer events, memory is bounded, and a final state is never lost. A reader that falls
behind by more jobs than its mailbox holds is told to read anew.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.live_event import LiveEvent, Moment, Routing
from api.repairs import Repairs

_REMEMBERED: Final = 10_000
_NEVER: Final[Moment] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which jobs a reader of many wants; empty means all."""

    states: frozenset[str] = frozenset()
    task: str | None = None
    tags: frozenset[str] = frozenset()
    batch: str | None = None

    @property
    def look_at_routing(self) -> bool:
        """Whether a bare progress does not say enough to be judged."""
        return bool(self.tags) or self.task is not None or self.batch is not None

    def match(self, state: str, routing: Routing | None) -> bool:
        """Whether the reader wants to see this."""
        if self.states and state not in self.states:
            return False
        if not self.look_at_routing:
            return True
        return (
            routing is not None
            and (self.task is None or routing.task == self.task)
            and (self.batch is None or routing.batch == self.batch)
            and self.tags.issubset(routing.tags)
        )


class Mailbox:
    """What one reader has not got yet.

    >>> box = Mailbox(room=1)
    >>> box.is_empty, box.missed
    (True, '')
    """

    def __init__(self, *, room: int) -> None:
        self._room = room
        self._after = _NEVER
        self._jobs: dict[str, LiveEvent] = {}
        self._progress: dict[str, LiveEvent] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None
        self.missed = ""
        """Why something is missing here, until the reader was told to read anew."""
        self.ended = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._jobs and not self._progress

    def put(self, event: LiveEvent) -> None:
        """Keep the event unless the reader has, or will get, something newer."""
        if event.moment <= self._after or _is_old(self._jobs.get(event.job_id), event):
            return
        progress = self._progress.get(event.job_id)
        if event.is_progress:
            if _is_old(progress, event):
                return
            self._progress[event.job_id] = event
        else:
            self._jobs[event.job_id] = event
            if progress and progress.moment < event.moment:
                del self._progress[event.job_id]
        if len(self._jobs) + len(self._progress) > self._room:
            self.reset("too slow")
        self.wake()

    def reset(self, why: str) -> None:
        """Have the reader read anew: what waits here is not all there was."""
        self._jobs, self._progress = {}, {}
        self.missed = why
        self.wake()

    def skip_until(self, moment: Moment) -> None:
        """Take nothing any more that is not newer; for a mailbox of one job."""
        self._after = max(self._after, moment)
        for waiting in (self._jobs, self._progress):
            for job_id in [i for i, event in waiting.items() if event.moment <= self._after]:
                del waiting[job_id]

    def take(self) -> list[LiveEvent]:
        """Return all that waits, states before progress."""
        events = [*self._jobs.values(), *self._progress.values()]
        self._jobs, self._progress = {}, {}
        return events

    def take_missed(self) -> str:
        """Return why something is missing, once; empty if nothing is."""
        missed, self.missed = self.missed, ""
        return missed

    def end(self) -> None:
        """Nothing will come any more."""
        self.ended = True
        self.wake()

    def wake(self) -> None:
        """Have the reader look up although nothing came."""
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until something came, or somebody called `wake`; for one reader."""
        # An asyncio.Event serves many who wait and asks for the loop, and so for the process, each time: with
        # thousands of streams that is felt.
        if not self._woken:
            self._loop = self._loop or asyncio.get_running_loop()
            self._waiter = self._loop.create_future()
            await self._waiter
        self._woken = False


def _is_old(known: LiveEvent | None, event: LiveEvent) -> bool:
    return known is not None and known.moment >= event.moment


class _Seen(NamedTuple):
    """What was last sent of a job; not the event itself, whose bytes may be many."""

    moment: Moment
    routing: Routing | None
    owner: str
    ended: bool


class Hub:
    """Gives each event to the mailboxes of those who want it."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Mailbox]] = {}
        # Thousands of readers have few different wishes: each wish is judged once an event.
        self._readers: dict[str, dict[Filters, set[Mailbox]]] = {}
        self._wishes: dict[Mailbox, Filters] = {}
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._repairs = Repairs()

    def watch(self, job_id: str, mailbox: Mailbox) -> None:
        """Put every event of this job into the mailbox."""
        self._watchers.setdefault(job_id, set()).add(mailbox)

    def unwatch(self, job_id: str, mailbox: Mailbox) -> None:
        """Take the mailbox away."""
        boxes = self._watchers[job_id]
        boxes.discard(mailbox)
        if not boxes:
            del self._watchers[job_id]

    def follow(self, owner: str, filters: Filters, mailbox: Mailbox) -> None:
        """Put every event of this owner that passes the filters into the mailbox."""
        self._readers.setdefault(owner, {}).setdefault(filters, set()).add(mailbox)
        self._wishes[mailbox] = filters

    def unfollow(self, owner: str, mailbox: Mailbox) -> None:
        """Take the mailbox away."""
        filters, wishes = self._wishes.pop(mailbox), self._readers[owner]
        wishes[filters].discard(mailbox)
        if not wishes[filters]:
            del wishes[filters]
        if not wishes:
            del self._readers[owner]
            self._forget(owner)

    def replay(self, owner: str, filters: Filters, mailbox: Mailbox, events: Iterable[LiveEvent]) -> None:
        """Put past events of this owner, in their order, into the mailbox of one who comes back."""
        repairs = self._repairs.all()
        if repairs is None:
            mailbox.reset("not all is known here")
            return
        routings: dict[str, Routing] = {}
        for event in (*events, *repairs):
            if event.owner != owner:
                continue
            routing = event.routing or routings.get(event.job_id) or self._routing(event.job_id)
            if routing is not None:
                routings[event.job_id] = routing
            self._note(event, routing)
            if filters.match(event.state, routing):
                mailbox.put(event)
            if mailbox.missed:
                return  # More than it holds: the rest would be a part of what was missed.

    def reset(self, why: str) -> None:
        """Have all readers of many read anew."""
        for mailbox in self._wishes:
            mailbox.reset(why)

    def wants(self, owner: str, job_id: str) -> bool:
        """Whether anybody would get an event of this job: if not, it need not be decoded."""
        return owner in self._readers or job_id in self._watchers

    def watched(self) -> set[str]:
        """Return the jobs somebody watches one by one."""
        return set(self._watchers)

    def unended(self, most: int) -> dict[str, Moment]:
        """Return jobs followed by readers of many that had not ended when last seen, oldest news first."""
        found: dict[str, Moment] = {}
        for job_id, seen in self._seen.items():
            if len(found) >= most:
                break
            if not seen.ended:
                found[job_id] = seen.moment
        return found

    def end(self, job_id: str) -> None:
        """Tell those who watch this job that it is gone."""
        for mailbox in self._watchers.get(job_id, ()):
            mailbox.end()

    def forget(self, ids: Iterable[str]) -> None:
        """Keep no more of these jobs, which are gone."""
        for job_id in ids:
            self._seen.pop(job_id, None)

    def repair(self, event: LiveEvent) -> None:
        """Give what was found stored to those who know an older state: its event may come late, or never."""
        for mailbox in self._watchers.get(event.job_id, ()):
            mailbox.put(event)
        if event.owner in self._readers and event.job_id in self._seen and self._tell_readers(event):
            self._repairs.add(event)

    def publish(self, event: LiveEvent) -> bool:
        """Route the event; false if something newer had gone out before."""
        self._repairs.heard(event)
        for mailbox in self._watchers.get(event.job_id, ()):
            mailbox.put(event)
        return event.owner not in self._readers or self._tell_readers(event)

    def _tell_readers(self, event: LiveEvent) -> bool:
        last = self._seen.get(event.job_id)
        if last is not None and last.moment >= event.moment:
            return False
        # Progress says little of its job: what was seen of it before stands for the rest.
        routing = event.routing or (last.routing if last else None)
        self._note(event, routing)
        state = event.state
        for filters, mailboxes in self._readers[event.owner].items():
            if filters.match(state, routing):
                for mailbox in mailboxes:
                    mailbox.put(event)
        return True

    def _note(self, event: LiveEvent, routing: Routing | None) -> None:
        last = self._seen.get(event.job_id)
        if last is not None and last.moment >= event.moment:
            return
        self._seen[event.job_id] = _Seen(event.moment, routing, event.owner, event.is_final)
        self._seen.move_to_end(event.job_id)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _routing(self, job_id: str) -> Routing | None:
        seen = self._seen.get(job_id)
        return seen.routing if seen else None

    def _forget(self, owner: str) -> None:
        for job_id in [job_id for job_id, seen in self._seen.items() if seen.owner == owner]:
            del self._seen[job_id]

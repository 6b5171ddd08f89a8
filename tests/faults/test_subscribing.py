"""An event that comes between the steps of a subscription: every interleaving, then thousands by chance.

The stream's own code runs, from its edge to the hub; Kafka, MongoDB and the client are small scripts
whose steps a test puts into any order.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest

from api.fanout import Filters, Hub
from api.following import Following
from api.receiving import Heard, Receiving
from api.ring import Ring
from api.settings import StreamSettings
from api.streams import Streams
from job_contracts.messages import encode, headers_of
from service_chassis.metrics import Metrics
from tests.faults.conftest import Form
from tests.support.figures import Figures
from tests.unit.api.events import JOB, changed
from tests.unit.api.fakes import record

SETTINGS = StreamSettings()
METRICS = Metrics()
LAST = 4
"""The version in which a job ends."""
PARTITIONS = 2


def state_of(version: int) -> str:
    return {1: "pending", LAST: "succeeded"}.get(version, "running")


EVENTS = {
    (job, version): (message := changed(job, version, state_of(version)), encode(message))
    for job in range(1, 4)
    for version in range(1, LAST + 1)
}


class Replica:
    """The streams of one api, with what it reads from."""

    def __init__(self, stored: Mapping[int, int], chance: random.Random) -> None:
        self._stored, self._chance = stored, chance
        self.hub = Hub()
        self.ring = Ring[Heard](kept=SETTINGS.replayed, room=1 << 20, clock=lambda: 1.0)
        self.receiving = Receiving(
            hub=self.hub,
            ring=self.ring,
            dropped=METRICS.dropped,
            cluster=self._cluster,
            heard=lambda *_: None,
        )
        streams = Streams(settings=SETTINGS)
        self.following = Following(hub=self.hub, ring=self.ring, store=self, streams=streams, mailbox=100)
        self.read_until = 0
        self.gates: dict[str, asyncio.Event] = {}
        """Where a step is, if a test holds it."""

    async def _cluster(self) -> str:
        return "c1"

    async def begin(self) -> None:
        places = dict.fromkeys(range(PARTITIONS), 0)
        await self.receiving.begin(places, places)

    def hear(self, log: Sequence[tuple[int, int]], until: int) -> None:
        """Read the bus on to this place in it."""
        for at in range(self.read_until, until):
            job, version = log[at]
            message, value = EVENTS[job, version]
            partition = job % PARTITIONS
            offset = sum(other % PARTITIONS == partition for other, _ in log[:at])
            said = SimpleNamespace(
                key=message.job_id.encode(),
                value=value,
                headers=headers_of(message, state=state_of(version)),
                partition=partition,
                offset=offset,
                timestamp=1_000,
            )
            self.receiving.take((said,))
        self.read_until = max(self.read_until, until)

    async def pause(self, step: str) -> None:
        """Let others go first: until the test says so, or for as long as chance wills."""
        if step in self.gates:
            await self.gates[step].wait()
        else:
            for _ in range(self._chance.randrange(3)):
                await asyncio.sleep(0)

    # --- the store
    async def job(self, job_id: str, *, owner: str) -> Mapping[str, Any] | None:
        await self.pause("ask")
        version = self._stored[int(job_id[-1])]
        found = record(job_id, version=version, state=state_of(version))
        await self.pause("answer")
        return found

    async def result(self, _: Mapping[str, Any], *, limit: int | None = None) -> bytes | None:
        await self.pause("result")
        return None


class Client:
    """One connection: what it sends, and what it is sent."""

    def __init__(self, replica: Replica, last_id: str | None = None) -> None:
        self._replica = replica
        self._closing = False
        self.last_id = last_id
        self.events: list[tuple[str, Any]] = []
        self.task: asyncio.Task[None] | None = None

    def _scope(self) -> dict[str, Any]:
        headers = [(b"last-event-id", self.last_id.encode())] if self.last_id else []
        transport = SimpleNamespace(
            is_closing=lambda: self._closing,
            get_extra_info=lambda _: None,
            set_write_buffer_limits=lambda high: None,
        )
        return {"headers": headers, "client": ("127.0.0.1", 1), "extensions": {"transport": transport}}

    def watch(self, job: int) -> None:
        scope = {**self._scope(), "path_params": {"job_id": JOB.format(job)}}
        self.task = asyncio.create_task(self._replica.following.of_job(scope, self._send))

    def follow(self) -> None:
        coming = self._replica.following.of_many(self._scope(), self._send, Filters())
        self.task = asyncio.create_task(coming)

    async def cut(self) -> None:
        """Lose the connection: nothing that is sent from now on arrives."""
        assert self.task
        self._closing = True
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _send(self, message: Any) -> None:
        await self._replica.pause("start" if "status" in message else "send")
        for frame in message.get("body", b"").decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in frame.split("\n") if line)
            if self._closing:
                return
            if "event" in fields:
                self.events.append((fields["event"], json.loads(fields["data"])))
            self.last_id = fields.get("id", self.last_id)

    def versions(self, job: int) -> list[int]:
        return [d["version"] for name, d in self.events if name == "job" and d["id"] == JOB.format(job)]

    @property
    def was_reset(self) -> bool:
        return any(name == "reset" for name, _ in self.events)


async def settled() -> None:
    """Let everybody come to rest."""
    for _ in range(40):
        await asyncio.sleep(0)


def merged(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[list[str]]:
    """Every order of two lists of steps in which each keeps its own."""
    for places in combinations(range(len(ours) + len(theirs)), len(ours)):
        mine, others = iter(ours), iter(theirs)
        yield [next(mine) if place in places else next(others) for place in range(len(ours) + len(theirs))]


SUBSCRIPTION = ["watch", "ask", "answer", "result", "start", "send"]
AUTHORS = {
    "in order": ["store 2", "hear 2", "store 4", "hear 4"],
    "stored before anything is heard": ["store 2", "store 4", "hear 2", "hear 4"],
    "the end first": ["store 2", "store 4", "hear 4", "hear 2"],
    "twice": ["store 4", "hear 4", "hear 4"],
    "the end is never heard, and read by a reconcile": ["store 2", "hear 2", "store 4", "repair 4"],
}


@pytest.mark.row(
    "F34", promise="no step between which an event comes loses it, or shows it twice", telling=True
)
@pytest.mark.parametrize("author", AUTHORS)
async def test_in_every_interleaving_a_subscriber_sees_each_state_once_and_ends_on_the_truth(
    author: str, figures: Figures
) -> None:
    played = 0
    for order in merged(SUBSCRIPTION, AUTHORS[author]):
        stored, log = {1: 1}, list[tuple[int, int]]()
        replica = Replica(stored, random.Random(0))
        await replica.begin()
        client = Client(replica)
        replica.gates = {step: asyncio.Event() for step in SUBSCRIPTION[1:]}
        for step in order:
            verb, _, version = step.partition(" ")
            if verb == "watch":
                client.watch(1)
            elif verb == "store":
                stored[1] = int(version)
            elif verb == "hear":
                log.append((1, int(version)))
                replica.hear(log, len(log))
            elif verb == "repair":
                event = Heard(
                    EVENTS[1, int(version)][1], METRICS.dropped.labels("job-events", "unreadable")
                ).event()
                assert event is not None
                replica.hub.repair(event)
            else:
                replica.gates[verb].set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await settled()
        assert client.task is not None
        assert client.task.done(), order
        versions = client.versions(1)
        assert versions == sorted(set(versions)), (order, versions)
        assert versions[-1] == LAST, order
        assert [name for name, _ in client.events][-1] == "end", order
        played += 1
    figures(interleavings=played)


@pytest.mark.row("F34", promise="who resumes on a replica that is ahead or behind misses nothing")
@pytest.mark.timeout(240)
async def test_by_chance_a_reader_cut_again_and_again_knows_the_truth_or_is_told_to_read_it(
    form: Form, figures: Figures
) -> None:
    runs, resets, cuts, old = round(form.of(2_000, 10_000)), 0, 0, 0
    chance = form.draw("F34")
    for run in range(runs):
        stored, log = dict.fromkeys((1, 2, 3), 1), [(1, 1), (2, 1), (3, 1)]
        replicas = [Replica(stored, chance), Replica(stored, chance)]
        for replica in replicas:
            await replica.begin()
        replicas[0].hear(log, 3)
        known = dict.fromkeys((1, 2, 3), 0)
        clients = [Client(replicas[0])]
        clients[0].follow()
        await settled()  # a reader without a place begins with the live feed
        known |= stored
        unheard: list[tuple[int, int]] = []
        while len(log) < 3 * LAST or any(replica.read_until < len(log) for replica in replicas):
            match chance.randrange(5):
                case 0 | 1 if live := [job for job, version in stored.items() if version < LAST]:
                    job = chance.choice(live)
                    stored[job] += 1
                    unheard.append((job, stored[job]))
                case 2 if unheard:
                    log.append(unheard.pop(chance.randrange(len(unheard))))
                case 3:
                    replica = chance.choice(replicas)
                    replica.hear(log, min(len(log), replica.read_until + chance.randrange(3)))
                case 4 if chance.random() < 0.4:
                    await clients[-1].cut()
                    clients.append(Client(chance.choice(replicas), clients[-1].last_id))
                    clients[-1].follow()
                    cuts += 1
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        await settled()
        for client in clients:
            for job in known:
                versions = client.versions(job)
                assert versions == sorted(set(versions)), (run, job, versions)
                old += sum(version <= known[job] for version in versions)
                known[job] = max([known[job], *versions])
            if client.was_reset:
                known |= stored  # it reads the list, which was true when it was read or is newer
        resets += sum(client.was_reset for client in clients)
        assert known == dict.fromkeys(known, LAST), (run, known)
        await clients[-1].cut()
    figures(runs=runs, cuts=cuts, resets=resets, shown_again=old)
    assert resets == 0, "each place lay inside both rings"

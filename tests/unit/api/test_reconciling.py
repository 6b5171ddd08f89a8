"""What is sent again when the bus has lost it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from api.fanout import Filters, Hub, Mailbox
from api.live_event import LiveEvent
from api.reconciling import Reconciling
from tests.unit.api.events import JOB, change
from tests.unit.api.fakes import record


class FakeStore:
    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = {r["_id"]: r for r in records}
        self.read: list[list[str]] = []

    async def versions(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        return {i: (r["version"], r["revision"]) for i, r in self.records.items() if i in ids}

    async def jobs(self, ids: Collection[str]) -> Sequence[Mapping[str, Any]]:
        self.read.append(sorted(ids))
        return [self.records[i] for i in ids]

    async def results(self, records: Sequence[Any], limit: int | None) -> Mapping[str, bytes]:
        return {}


class Rig:
    def __init__(self, *records: dict[str, Any]) -> None:
        self.hub, self.store = Hub(), FakeStore(*records)
        self.reconciling = Reconciling(
            hub=self.hub, store=self.store, every=timedelta(1), events_come=lambda: True, inline_limit=100
        )


def _states(events: list[LiveEvent]) -> list[str]:
    return [event.state for event in events]


async def test_a_watcher_gets_what_the_bus_has_lost() -> None:
    rig = Rig(record(JOB.format(1), version=3, state="succeeded"))
    box = Mailbox(room=9)
    box.skip_until((2, 0))
    rig.hub.watch(JOB.format(1), box)
    await rig.reconciling.look()
    assert _states(box.take()) == ["succeeded"]


async def test_what_has_not_changed_is_read_once() -> None:
    rig = Rig(record(JOB.format(1)))
    rig.hub.watch(JOB.format(1), Mailbox(room=9))
    for _ in range(3):
        await rig.reconciling.look()
    assert rig.store.read == [[JOB.format(1)]]


async def test_readers_of_many_get_the_end_of_a_job_they_saw_running() -> None:
    rig = Rig(
        record(JOB.format(1), version=3, state="failed"), record(JOB.format(2), version=2, state="running")
    )
    box = Mailbox(room=9)
    rig.hub.follow("default", Filters(), box)
    rig.hub.publish(change(1, 2))
    rig.hub.publish(change(2, 2))
    box.take()
    await rig.reconciling.look()
    assert _states(box.take()) == ["failed"]
    assert rig.store.read == [[JOB.format(1)]]


async def test_a_watched_job_that_is_gone_ends_its_stream() -> None:
    rig = Rig()
    box = Mailbox(room=9)
    rig.hub.watch(JOB.format(1), box)
    await rig.reconciling.look()
    assert box.ended


async def test_jobs_that_are_gone_are_not_asked_for_again() -> None:
    rig = Rig()
    rig.hub.follow("default", Filters(), Mailbox(room=9))
    rig.hub.publish(change(1, 2))
    await rig.reconciling.look()
    assert rig.hub.unended(10) == {}


async def test_nothing_is_asked_while_nobody_watches() -> None:
    rig = Rig(record(JOB.format(1)))
    await rig.reconciling.look()
    assert rig.store.read == []

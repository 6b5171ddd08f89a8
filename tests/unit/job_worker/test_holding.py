"""Which jobs are held while their end is on its way."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

from pymongo.errors import AutoReconnect

from job_worker.execution import Execution
from job_worker.holding import Holding
from tests.support.waiting import until_true
from tests.unit.job_worker.fakes import FakeStore


class Rig:
    """A worker with these jobs: by id, whether their task has ended."""

    def __init__(self, **jobs: bool) -> None:
        self.store = FakeStore()
        self.running = {
            (name, 2): SimpleNamespace(fence=(name, 2), ended=ended) for name, ended in jobs.items()
        }
        execution = cast("Execution", SimpleNamespace(running=self.running))
        self.holding = Holding(execution=execution, store=self.store)

    def held(self) -> list[list[str]]:
        return [sorted(move.filter["_id"]["$in"]) for move in self.store.applied]


async def test_every_job_whose_task_has_ended_is_held_until_its_end_is_recorded() -> None:
    rig = Rig(runs=False, queues=True, waits=True)
    await rig.holding.look()
    assert rig.held() == [], "most ends are recorded within a look"
    await rig.holding.look()
    del rig.running["waits", 2]
    await rig.holding.look()
    assert rig.held() == [["queues", "waits"], ["queues"]]


async def test_a_hold_that_failed_is_made_at_the_next_look() -> None:
    rig = Rig(queues=True)
    rig.store.failures = [AutoReconnect("away"), KeyError("a bug")]
    execution = cast("Execution", SimpleNamespace(running=rig.running))
    async with Holding(execution=execution, store=rig.store, every=timedelta(0)):
        await until_true(lambda: bool(rig.held()), within=5, what="a hold", every=0.001)

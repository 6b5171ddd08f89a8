"""Batches: all or none, and a repeat completes what a crash has left; in memory and in MongoDB alike."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from api.batch_drafting import BatchDrafting
from api.batching import Batching, BatchJobs, BatchRecord, jobs_of
from api.catalogue import Catalogue
from api.problems import MAX_ERRORS, Problem
from api.room import Room
from job_contracts.personal import cancel
from job_contracts.views import Record
from tests.contract.api.places import Place
from tests.unit.api.fakes import NOW, SEARCH, FakeAnnouncer, FakeTasks, task_doc

DAYS = timedelta(days=30)


class CrashError(Exception):
    """The process dies here."""


class Mortal:
    """A store of jobs whose process dies in the middle of an insert."""

    def __init__(self, jobs: BatchJobs, after: int) -> None:
        self._jobs, self._after = jobs, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    async def insert(self, records: Sequence[dict[str, Any]]) -> set[int]:
        if self._after:
            await self._jobs.insert(records[: self._after])
        raise CrashError


class Rig:
    def __init__(self, place: Place) -> None:
        self.place, self.announcer, self.now = place, FakeAnnouncer(), NOW
        self.tasks = FakeTasks(task_doc("noop"), task_doc("search", SEARCH))
        self.catalogue = Catalogue(store=self.tasks)
        self.room, self.patience = Room(1_000), timedelta(seconds=10)

    def batching(self, jobs: BatchJobs | None = None) -> Batching:
        return Batching(
            drafting=BatchDrafting(catalogue=self.catalogue, now=lambda: self.now, job_limit=2_000),
            batches=self.place.batches,
            jobs=jobs or self.place.jobs,
            announcer=self.announcer,
            room=self.room,
            now=lambda: self.now,
            patience=self.patience,
            kept=DAYS,
        )

    async def post(self, body: dict[str, Any], *, key: str | None = None) -> tuple[str, list[str], bool]:
        """Return the batch, the ids of its jobs, and whether the answer says that it is new."""
        accepted = await self.batching().accept(msgspec.json.encode(body), owner="default", key=key)
        return accepted.answer.batch, [job.id for job in accepted.answer.jobs], accepted.is_new

    async def crash(self, body: dict[str, Any], *, key: str, after: int = 0) -> None:
        batching = self.batching(Mortal(self.place.jobs, after))
        with pytest.raises(CrashError):
            await batching.accept(msgspec.json.encode(body), owner="default", key=key)

    async def refusal(self, body: dict[str, Any]) -> Problem:
        with pytest.raises(Problem) as refused:
            await self.post(body)
        return refused.value

    async def stored(self, ids: Sequence[str]) -> list[Record]:
        by_id = {job["_id"]: job for job in await self.place.jobs.jobs(ids)}
        return [by_id[job_id] for job_id in ids]


def noops(count: int, **fields: Any) -> dict[str, Any]:
    return {"jobs": [{"task": "noop", "payload": {"n": n}} for n in range(count)], **fields}


async def test_all_jobs_of_a_batch_are_stored_and_announced_in_their_order(place: Place) -> None:
    rig = Rig(place)
    batch, jobs, is_new = await rig.post(noops(120, name="nightly"))
    assert is_new
    assert jobs == sorted(jobs) == jobs_of(batch, 120)
    stored = await rig.stored(jobs)
    assert [job["payload"] for job in stored] == [f'{{"n":{n}}}' for n in range(120)]
    assert {(job["state"], job["batch"], job["version"]) for job in stored} == {("pending", batch, 1)}
    assert [job["_id"] for job in rig.announcer.told] == jobs
    view = await rig.batching().look(batch, owner="default")
    assert (view.name, view.total, view.jobs["pending"], view.done) == ("nightly", 120, 120, False)


async def test_a_batch_waits_until_those_before_it_leave_it_room(place: Place) -> None:
    rig = Rig(place)
    held = await rig.room.enter(950)
    waits = asyncio.create_task(rig.post(noops(60)))
    small = asyncio.create_task(rig.post(noops(2)))
    await asyncio.sleep(0.05)
    assert not waits.done()
    assert not small.done(), "it stands behind the larger one"
    assert not rig.announcer.told
    rig.room.leave(held)
    assert [len((await posted)[1]) for posted in (waits, small)] == [60, 2]
    assert await rig.room.enter(1_000) == 1_000, "all of it was given back"


async def test_a_batch_that_has_waited_its_time_is_told_to_come_again(place: Place) -> None:
    rig = Rig(place)
    rig.patience = timedelta(milliseconds=50)
    await rig.room.enter(1_000)
    problem = await rig.refusal(noops(3))
    assert problem.kind.status == 503
    assert "waited its time" in problem.detail
    assert not rig.announcer.told


async def test_a_batch_that_is_refused_leaves_its_room(place: Place) -> None:
    rig = Rig(place)
    await rig.refusal({"jobs": [{"task": "nope"}]})
    assert await rig.room.enter(1_000) == 1_000


async def test_a_batch_is_done_when_none_of_its_jobs_is_live(place: Place) -> None:
    rig = Rig(place)
    batch, jobs, _ = await rig.post(noops(3))
    for count, done in ((2, False), (3, True)):
        await place.jobs.change([cancel(jobs[:count], owner="default", retention=DAYS)])
        view = await rig.batching().look(batch, owner="default")
        assert (view.jobs["cancelled"], view.jobs["pending"], view.done) == (count, 3 - count, done)


async def test_everything_that_is_wrong_is_named_by_its_place_and_nothing_is_stored(place: Place) -> None:
    rig = Rig(place)
    jobs: list[Any] = [
        {"task": "noop"},
        {"task": "search", "payload": {}},
        {"task": "nope"},
        {"task": "noop", "colour": "red", "tags": [""]},
        {"task": "noop", "delay": 1, "run_at": "2026-05-02T00:00:00Z"},
        {"task": "noop", "payload": "x" * 2_000},
        {"task": "noop", "payload": {"a": "\0"}},
        5,
    ]
    refused = await rig.refusal({"jobs": jobs, "name": "a\0b", "webhook": "https://example.org"})
    assert refused.kind.status == 422
    assert {error.pointer for error in refused.errors} == {
        "/webhook",
        "/name",
        "/jobs/1/payload/query",
        "/jobs/2/task",
        "/jobs/3/colour",
        "/jobs/3/tags/0",
        "/jobs/4/run_at",
        "/jobs/5",
        "/jobs/6/payload/a",
        "/jobs/7",
    }
    assert await place.jobs.newest(owner="default") is None
    assert rig.announcer.told == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/jobs"), (noops(0), "/jobs"), (noops(1_001), "/jobs"), (noops(1, color=1), "/color")],
    ids=["no jobs", "an empty list", "too many", "an unknown field"],
)
async def test_a_batch_of_the_wrong_form_is_refused(place: Place, body: dict[str, Any], pointer: str) -> None:
    refused = await Rig(place).refusal(body)
    assert [error.pointer for error in refused.errors] == [pointer]


async def test_many_unknown_tasks_are_looked_for_once(place: Place) -> None:
    rig = Rig(place)
    refused = await rig.refusal({"jobs": [{"task": f"nope-{n}"} for n in range(100)]})
    assert [error.pointer for error in refused.errors] == [f"/jobs/{n}/task" for n in range(MAX_ERRORS)]
    assert rig.tasks.reads == 1


async def test_a_repeat_with_the_same_key_makes_no_second_batch(place: Place) -> None:
    rig = Rig(place)
    first = await rig.post(noops(5), key="k")
    again = await rig.post(noops(5), key="k")
    assert (again[:2], again[2]) == (first[:2], False)
    assert len(rig.announcer.told) == 5
    with pytest.raises(Problem) as refused:
        await rig.post(noops(6), key="k")
    assert refused.value.kind.slug == "idempotency-key-reused"
    other = await rig.post(noops(5), key="l")
    assert set(other[1]).isdisjoint(first[1])


async def test_batches_that_come_together_share_their_writes_and_nothing_else(place: Place) -> None:
    rig = Rig(place)
    rig.room = Room(10_000)
    keyed = {"jobs": [{"task": "noop", "unique_key": key} for key in ("u", "v", "w")]}
    bodies = [(noops(5), "k"), (keyed, None), (noops(5), "k"), (noops(7), None), (keyed, None)]
    batching = rig.batching()
    accepted = await asyncio.gather(
        *(batching.accept(msgspec.json.encode(body), owner="default", key=key) for body, key in bodies)
    )
    jobs = [[job.id for job in one.answer.jobs] for one in accepted]
    assert jobs[0] == jobs[2], "the same key is the same batch"
    assert jobs[1] == jobs[4], "the second gives way to the holders"
    own = [jobs_of(one.answer.batch, len(ids)) for one, ids in zip(accepted, jobs, strict=True)]
    assert (jobs[0], jobs[3]) == (own[0], own[3])
    assert jobs[1] in (own[1], own[4])
    told = [job["_id"] for job in rig.announcer.told]
    assert sorted(told) == sorted([*own[0], *own[3], *jobs[1]]), "each job is announced once"
    totals = [(await batching.look(one.answer.batch, owner="default")).total for one in accepted]
    assert (totals[0], totals[3], sorted([totals[1], totals[4]])) == (5, 7, [0, 3])


@pytest.mark.parametrize("after", [0, 1, 7, 20], ids=lambda n: f"{n} stored")
async def test_a_repeat_completes_what_a_crash_has_left(place: Place, after: int) -> None:
    rig = Rig(place)
    body = {"jobs": [{"task": "noop", "payload": {"n": n}, "delay": 60} for n in range(20)]}
    await rig.crash(body, key="k", after=after)
    began, rig.now = rig.now, rig.now + timedelta(seconds=30)
    batch, jobs, is_new = await rig.post(body, key="k")
    assert is_new
    assert len(set(jobs)) == 20
    stored = await rig.stored(jobs)
    assert [job["payload"] for job in stored] == [f'{{"n":{n}}}' for n in range(20)]
    due = {job["wake_at"] - began for job in stored}
    assert len(due) == 1, "times count from the first request"
    assert abs(due.pop() - timedelta(seconds=60)) < timedelta(milliseconds=1)
    assert [job["_id"] for job in rig.announcer.told] == jobs[after:]
    view = await rig.batching().look(batch, owner="default")
    assert (view.total, view.jobs["waiting"]) == (20, 20)


async def test_a_batch_whose_jobs_are_not_all_stored_is_not_done(place: Place) -> None:
    rig = Rig(place)
    await rig.crash(noops(2), key="k", after=1)
    wanted = {"_id": "-", "owner": "default", "idempotency": {"key": "k"}}
    begun: BatchRecord = (await place.batches.begin([wanted]))[0]
    job = jobs_of(begun["_id"], 1)[0]
    await place.jobs.change([cancel([job], owner="default", retention=DAYS)])
    view = await rig.batching().look(begun["_id"], owner="default")
    assert (view.jobs["cancelled"], view.done) == (1, False)


async def test_jobs_whose_unique_key_is_held_give_way_and_a_repeat_says_the_same(place: Place) -> None:
    rig = Rig(place)
    _, (holder,), _ = await rig.post({"jobs": [{"task": "noop", "unique_key": "u"}]})
    body = {
        "jobs": [
            {"task": "noop", "unique_key": "u"},
            {"task": "noop", "unique_key": "v"},
            {"task": "noop", "unique_key": "v"},
            {"task": "noop"},
        ]
    }
    batch, jobs, _ = await rig.post(body, key="k")
    own = jobs_of(batch, 4)
    assert jobs == [holder, own[1], own[1], own[3]]
    assert (await rig.batching().look(batch, owner="default")).total == 2
    await place.jobs.change([cancel([holder, own[1]], owner="default", retention=DAYS)])
    assert (await rig.post(body, key="k"))[1] == jobs
    assert {job["_id"] for job in await place.jobs.jobs(own)} == {own[1], own[3]}


async def test_a_job_that_a_crash_has_left_with_its_unique_key_is_the_batchs_own(place: Place) -> None:
    rig = Rig(place)
    body = {"jobs": [{"task": "noop", "unique_key": "u"}, {"task": "noop", "unique_key": "v"}]}
    await rig.crash(body, key="k", after=1)
    batch, jobs, _ = await rig.post(body, key="k")
    assert jobs == jobs_of(batch, 2)
    assert (await rig.batching().look(batch, owner="default")).total == 2


async def test_a_batch_is_known_as_long_as_its_last_job_may_begin_and_some_days_more(place: Place) -> None:
    rig = Rig(place)
    batch, _, _ = await rig.post({"jobs": [{"task": "noop"}, {"task": "noop", "delay": 86_400 * 90}]})
    stored = await place.batches.batch(batch, owner="default")
    assert stored is not None
    kept = stored["expire_at"] - stored["created_at"]
    assert abs(kept - timedelta(days=90) - DAYS) < timedelta(seconds=1)


async def test_nobody_sees_the_batch_of_another_owner(place: Place) -> None:
    rig = Rig(place)
    batch, _, _ = await rig.post(noops(1))
    for batch_id, owner in ((batch, "somebody"), ("nonsense", "default"), (jobs_of(batch, 1)[0], "default")):
        with pytest.raises(Problem) as refused:
            await rig.batching().look(batch_id, owner=owner)
        assert refused.value.kind.slug == "not-found"

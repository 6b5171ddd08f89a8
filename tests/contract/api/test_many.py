"""Stopping and redriving many jobs at once: the same in memory and in MongoDB."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.cancelling import Cancelling, live_jobs
from api.dead_letters import LetterFilters
from api.moving import KeyHeldError
from api.redriving import Redriving
from job_contracts.lifecycle import JobState
from job_contracts.personal import redrive
from tests.contract.api.places import Place
from tests.unit.api.fakes import FakeAnnouncer, record

HOUR = timedelta(hours=1)
BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


def job_id(number: int) -> str:
    return f"0198ffff-0000-7000-8000-{number:012}"


def a_job(number: int, state: str, **fields: Any) -> dict[str, Any]:
    if state == "failed":
        fields = {"error": {"kind": "exhausted", "type": "Boom", "message": ""}, **fields}
    return record(job_id(number), state=state, **fields)


def a_letter(number: int, job: int | None, **fields: Any) -> dict[str, Any]:
    letter = {
        "_id": f"letter-{number}",
        "kind": "exhausted",
        "task": "noop",
        "owner": "default",
        "error": {"type": "Boom", "message": ""},
        "redriven": 0,
        "created_at": BEGAN + timedelta(seconds=number),
        **fields,
    }
    return letter if job is None else {**letter, "job": job_id(job)}


class Rig:
    def __init__(self, place: Place, seconds: float = 60) -> None:
        self.place, self.announcer = place, FakeAnnouncer()
        self.ticks = 0
        times: dict[str, Any] = {
            "patience": timedelta(seconds=5),
            "time_limit": timedelta(seconds=seconds),
            "clock": self.tick,
        }
        self.cancelling = Cancelling(store=place.jobs, announcer=self.announcer, cancelled_kept=HOUR, **times)
        self.redriving = Redriving(
            store=place.jobs, letters=place.letters, announcer=self.announcer, redrives=3, **times
        )

    def tick(self) -> float:
        """Each look at the clock takes a second."""
        self.ticks += 1
        return float(self.ticks)

    async def states(self, count: int) -> list[str]:
        stored = {job["_id"]: job for job in await self.place.jobs.jobs([job_id(n) for n in range(count)])}
        return [stored[job_id(n)]["state"] for n in range(count)]


async def test_what_waits_is_cancelled_and_what_runs_is_asked_to_stop(place: Place) -> None:
    await place.jobs.insert([a_job(n, state) for n, state in enumerate(JobState)])
    rig = Rig(place)
    done = await rig.cancelling.cancel(live_jobs(task="noop"), owner="default")
    assert (done.matched, done.cancelled, done.requested, done.complete) == (3, 2, 1, True)
    after = ["cancelled" if state in ("pending", "waiting") else str(state) for state in JobState]
    assert await rig.states(6) == after
    told = {job["_id"]: (job["state"], job.get("cancel_requested", False)) for job in rig.announcer.told}
    assert sorted(told.values()) == [("cancelled", False), ("cancelled", False), ("running", True)]
    again = await rig.cancelling.cancel(live_jobs(task="noop"), owner="default")
    assert (again.matched, again.complete) == (0, True)


@pytest.mark.parametrize(
    ("filters", "stopped"),
    [
        ({"task": "a"}, {0, 1, 2}),
        ({"task": "a", "state": "waiting"}, {1}),
        ({"state": "waiting"}, {1, 4}),
        ({"tag": "x"}, {0, 3}),
        ({"tag": "x", "task": "a"}, {0}),
        ({"batch": "b"}, {2, 3}),
        ({"batch": "b", "tag": "x", "state": "pending"}, {3}),
    ],
)
async def test_only_what_passes_the_filter_is_stopped(
    place: Place, filters: dict[str, str], stopped: set[int]
) -> None:
    jobs = [
        a_job(0, "pending", task="a", tags=["x", "y"]),
        a_job(1, "waiting", task="a", tags=["y"]),
        a_job(2, "pending", task="a", batch="b"),
        a_job(3, "pending", task="b", batch="b", tags=["y", "x"]),
        a_job(4, "waiting", task="b"),
        a_job(5, "pending", task="a", tags=["x"], batch="b", owner="somebody"),
    ]
    await place.jobs.insert(jobs)
    rig = Rig(place)
    dry = await rig.cancelling.cancel(live_jobs(**filters), owner="default", dry_run=True)
    assert (dry.matched, dry.cancelled, dry.requested) == (len(stopped), len(stopped), 0)
    assert "cancelled" not in await rig.states(6)
    await rig.cancelling.cancel(live_jobs(**filters), owner="default")
    assert {n for n, state in enumerate(await rig.states(6)) if state == "cancelled"} == stopped


async def test_very_many_are_stopped_batch_by_batch_until_the_time_is_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.cancelling.BATCH", 10)
    monkeypatch.setattr("api.store.SCAN_BUDGET", 7)
    await place.jobs.insert([a_job(n, "waiting", tags=["all"], task="ab"[n % 2]) for n in range(80)])
    rig = Rig(place, seconds=3)
    first = await rig.cancelling.cancel(live_jobs(tag="all", task="a"), owner="default")
    assert not first.complete
    assert first.matched == first.cancelled < 40
    rest = await Rig(place, seconds=1000).cancelling.cancel(live_jobs(tag="all", task="a"), owner="default")
    assert (rest.complete, first.matched + rest.matched) == (True, 40)
    assert (await rig.states(80)).count("cancelled") == 40


async def test_failed_jobs_are_redriven_by_their_letters_and_others_are_skipped(place: Place) -> None:
    await place.jobs.insert(
        [
            a_job(0, "failed", redrives=2),
            a_job(1, "failed", redrives=3),
            a_job(2, "succeeded"),
            a_job(3, "failed", error={"kind": "rejected", "type": "Other", "message": ""}),
            a_job(4, "failed", owner="somebody"),
            a_job(5, "failed"),
        ]
    )
    letters = [a_letter(n, n) for n in range(4)]
    letters += [a_letter(4, 4, owner="somebody"), a_letter(5, 5, error={"type": "Other", "message": ""})]
    letters += [a_letter(6, 99), a_letter(7, None), a_letter(8, 0)]
    await place.shelf.put_letters(letters)
    rig = Rig(place)
    wanted = LetterFilters(error_type="Boom")
    dry = await rig.redriving.redrive(wanted, owner="default", dry_run=True)
    assert (dry.matched, dry.redriven, dry.skipped, dry.complete) == (5, 1, 4, True)
    assert rig.announcer.told == []
    assert await rig.redriving.redrive(wanted, owner="default") == dry
    assert await rig.states(6) == ["pending", "failed", "succeeded", "failed", "failed", "failed"]
    assert [(job["_id"], job["redrives"]) for job in rig.announcer.told] == [(job_id(0), 3)]
    counted = {i: doc["redriven"] for i, doc in (await place.shelf.stored_letters()).items()}
    assert {i for i, count in counted.items() if count} == {"letter-8"}
    again = await rig.redriving.redrive(wanted, owner="default")
    assert (again.matched, again.redriven, again.skipped) == (5, 0, 5)


@pytest.mark.parametrize(
    ("filters", "redriven"),
    [
        (LetterFilters(), {0, 1, 2, 3}),
        (LetterFilters(task="other"), {1}),
        (LetterFilters(kind="rejected"), {2}),
        (LetterFilters(error_type="Rare", kind="exhausted"), {3}),
        (LetterFilters(after=BEGAN + timedelta(seconds=2)), {2, 3}),
        (LetterFilters(before=BEGAN + timedelta(seconds=2)), {0, 1}),
        (LetterFilters(after=BEGAN + timedelta(seconds=1), before=BEGAN + timedelta(seconds=3)), {1, 2}),
    ],
)
async def test_only_the_jobs_of_letters_that_pass_the_filter_are_redriven(
    place: Place, filters: LetterFilters, redriven: set[int]
) -> None:
    errors = {2: ("rejected", "Boom"), 3: ("exhausted", "Rare")}
    for n in range(4):
        kind, kind_of_error = errors.get(n, ("exhausted", "Boom"))
        error = {"type": kind_of_error, "message": ""}
        task = "other" if n == 1 else "noop"
        await place.jobs.insert([a_job(n, "failed", task=task, error={**error, "kind": kind})])
        await place.shelf.put_letters([a_letter(n, n, task=task, kind=kind, error=error)])
    rig = Rig(place)
    done = await rig.redriving.redrive(filters, owner="default")
    assert done.redriven == len(redriven)
    assert {n for n, state in enumerate(await rig.states(4)) if state == "pending"} == redriven


async def test_a_redrive_at_a_rate_gives_each_job_its_turn(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.redriving.BATCH", 8)
    unique = {n: {"unique_key": f"u{n}"} for n in range(0, 40, 7)}
    await place.jobs.insert([a_job(n, "failed", **unique.get(n, {})) for n in range(40)])
    await place.shelf.put_letters([a_letter(n, n) for n in range(40)])
    rig = Rig(place)
    done = await rig.redriving.redrive(LetterFilters(), owner="default", rate=10)
    assert (done.matched, done.redriven, done.skipped, done.complete) == (40, 40, 0, True)
    stored = await place.jobs.jobs([job_id(n) for n in range(40)])
    assert {(job["state"], job["reason"]) for job in stored} == {("waiting", "scheduled")}
    turns = [(job["wake_at"] - job["updated_at"]).total_seconds() for job in stored]
    assert all(turn * 4 == round(turn * 4) for turn in turns)
    assert max(turns) == 3.75
    for second in range(4):
        assert 8 <= sum(second <= turn < second + 1 for turn in turns) <= 12
    assert all(doc["redriven"] == 1 for doc in (await place.shelf.stored_letters()).values())


async def test_of_failed_jobs_with_one_unique_key_only_one_is_redriven(place: Place) -> None:
    await place.jobs.insert([a_job(n, "failed", unique_key="u") for n in range(3)])
    await place.jobs.insert([a_job(3, "failed", unique_key="v"), a_job(4, "running", unique_key="v")])
    await place.jobs.insert([a_job(5, "failed")])
    await place.shelf.put_letters([a_letter(n, n) for n in (0, 1, 2, 3, 5)])
    rig = Rig(place)
    done = await rig.redriving.redrive(LetterFilters(), owner="default")
    assert (done.matched, done.redriven, done.skipped) == (5, 2, 3)
    states = await rig.states(6)
    assert (states[:3].count("pending"), states[3:]) == (1, ["failed", "running", "pending"])
    counted = [doc["redriven"] for doc in (await place.shelf.stored_letters()).values()]
    assert sorted(counted) == [0, 0, 0, 1, 1]
    with pytest.raises(KeyHeldError):
        await place.jobs.move(redrive([job_id(3)], owner="default", limit=3))


async def test_a_redrive_of_very_many_says_when_the_time_was_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.redriving.BATCH", 10)
    await place.jobs.insert([a_job(n, "failed") for n in range(50)])
    await place.shelf.put_letters([a_letter(n, n) for n in range(50)])
    first = await Rig(place, seconds=3).redriving.redrive(LetterFilters(), owner="default")
    assert (first.redriven, first.complete) == (first.matched, False)
    assert 10 <= first.matched < 50
    rest = await Rig(place, seconds=1000).redriving.redrive(LetterFilters(), owner="default")
    assert (rest.matched, rest.skipped, rest.complete) == (50, first.matched, True)


async def test_a_redriven_job_is_counted_in_its_newest_letter(place: Place) -> None:
    await place.shelf.put_letters([a_letter(1, 1), a_letter(3, 1), a_letter(2, 1), a_letter(4, 2)])
    await place.letters.job_redriven(job_id(1))
    await place.letters.job_redriven(job_id(9))
    counted = {i: doc["redriven"] for i, doc in (await place.shelf.stored_letters()).items()}
    assert counted == {"letter-1": 0, "letter-2": 0, "letter-3": 1, "letter-4": 0}

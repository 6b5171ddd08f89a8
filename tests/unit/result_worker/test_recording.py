"""The order in which a batch of results is recorded, and what an outage leaves behind."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_contracts.lifecycle import JobState
from job_contracts.messages import JobSucceeded, MessageRejected
from job_contracts.record import STRAY_MARGIN
from job_contracts.views import Record
from result_worker.figures import Figures
from result_worker.recording import Recording
from service_chassis.metrics import Metrics
from tests.contract.builders import job_record, on, succeeded
from tests.contract.memory import MemoryStore

WEEK = timedelta(days=7)


class OutageError(Exception):
    """A server is away."""


class Store(MemoryStore):
    """Keeps what it is told and says in which order it was."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self.said = self.calls = said


class Publisher:
    """Notes what it publishes; away when told so."""

    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.away: set[str] = set()
        self.events: list[tuple[str, int]] = []
        self.letters: list[bytes] = []

    async def changed(self, jobs: Sequence[tuple[Record, bytes]]) -> None:
        self._say("changed")
        self.events += [(record["_id"], record["version"]) for record, _ in jobs]

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        self._say("rejected")
        self.letters += [letter.raw for letter in letters]

    def _say(self, what: str) -> None:
        if what in self.away:
            raise OutageError(what)
        self.said.append(what)


class Bench:
    """A recording with its fakes."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.store, self.publisher = Store(self.said), Publisher(self.said)
        self.metrics = Metrics()
        self.figures = Figures(store=self.store)
        self.recording = Recording(
            store=self.store,
            publisher=self.publisher,
            figures=self.figures,
            metrics=self.metrics,
            retention=WEEK,
        )

    def put(self, *records: Record) -> None:
        self.store.jobs |= {record["_id"]: dict(record) for record in records}

    def count(self, outcome: str) -> float:
        sample = self.metrics.registry.get_sample_value("results_recorded_total", {"outcome": outcome})
        return sample or 0


async def test_the_result_comes_before_the_move_and_the_move_before_the_event() -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    await bench.recording.record(on("results", b"poison", succeeded(job["_id"])))
    assert bench.said == ["keep", "apply", "records", "changed", "rejected"]


async def test_a_hundred_results_cost_three_round_trips_and_later_one_for_their_figures() -> None:
    bench = Bench()
    jobs = [job_record(version=2 + n % 3) for n in range(100)]
    bench.put(*jobs)
    await bench.recording.record(on("results", *(succeeded(job["_id"], job["version"]) for job in jobs)))
    assert bench.said == ["keep", "apply", "records", "changed"]
    await bench.figures.write()
    assert bench.said[4:] == ["count"]
    assert len(bench.publisher.events) == 100


async def test_a_batch_of_poison_alone_touches_no_record() -> None:
    bench = Bench()
    await bench.recording.record(on("results", b"1", None, b""))
    assert bench.said == ["rejected"]
    assert bench.count("rejected") == 3


@pytest.mark.parametrize("away", ["changed", "rejected"])
async def test_a_publish_that_fails_makes_the_batch_come_again_and_then_nothing_is_missing(away: str) -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    batch = on("results", b"poison", succeeded(job["_id"]))
    bench.publisher.away = {away}
    with pytest.raises(OutageError):
        await bench.recording.record(batch)

    bench.publisher.away = set()
    await bench.recording.record(batch)

    assert set(bench.publisher.events) == {(job["_id"], 3)}
    assert bench.publisher.letters == [b"poison"]
    assert bench.store.jobs[job["_id"]]["version"] == 3


async def test_poison_is_not_diverted_while_the_store_is_away() -> None:
    bench = Bench()

    async def away(outcomes: Sequence[JobSucceeded], *, lifetime: timedelta, cluster: str = "") -> None:
        raise OutageError

    bench.store.keep = away  # type: ignore[assignment,method-assign]
    for _ in range(3):
        with pytest.raises(OutageError):
            await bench.recording.record(on("results", b"poison", succeeded(job_record()["_id"])))
    assert bench.publisher.letters == []


async def test_a_result_lives_longer_than_its_job() -> None:
    bench = Bench()
    lifetimes = []

    async def keep(outcomes: Sequence[JobSucceeded], *, lifetime: timedelta, cluster: str = "") -> None:
        lifetimes.append(lifetime)

    bench.store.keep = keep  # type: ignore[assignment,method-assign]
    await bench.recording.record(on("results", succeeded(job_record()["_id"])))
    assert lifetimes == [WEEK + STRAY_MARGIN]


async def test_what_became_of_each_message_is_counted() -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    for _ in range(3):
        await bench.recording.record(on("results", succeeded(job["_id"]), b"poison"))
    assert [bench.count(o) for o in ("succeeded", "repeated", "rejected")] == [1, 2, 3]
    assert bench.metrics.registry.get_sample_value("recording_seconds_count") == 3


async def test_an_outage_counts_no_message_twice() -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    bench.publisher.away = {"changed"}
    batch = on("results", succeeded(job["_id"]), succeeded(job_record()["_id"]))
    for _ in range(3):
        with pytest.raises(OutageError):
            await bench.recording.record(batch)
    bench.publisher.away = set()
    await bench.recording.record(batch)
    await bench.figures.write()

    assert [minute["finished"] for minute in bench.store.minutes.values()] == [1]
    dropped = {"topic": "results", "reason": "unknown_job"}
    assert bench.metrics.registry.get_sample_value("messages_dropped_total", dropped) == 1
    assert bench.count("succeeded") == 1


async def test_a_job_deleted_between_its_move_and_the_reading_is_counted_as_unknown() -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    apply = bench.store.apply

    async def apply_and_lose(moves: object) -> int:
        moved = await apply(moves)  # type: ignore[arg-type]
        bench.store.jobs.clear()
        return moved

    bench.store.apply = apply_and_lose  # type: ignore[method-assign]
    await bench.recording.record(on("results", succeeded(job["_id"])))
    assert bench.publisher.events == []
    assert [bench.count(o) for o in ("succeeded", "repeated")] == [1, 0]


@given(
    states=st.lists(st.tuples(st.sampled_from(list(JobState)), st.integers(1, 5)), min_size=1, max_size=6),
    deliveries=st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=8), max_size=5
    ),
)
async def test_whatever_comes_in_whatever_order_a_job_moves_at_most_once_and_only_out_of_running(
    states: list[tuple[JobState, int]], deliveries: list[list[tuple[int, int]]]
) -> None:
    bench = Bench()
    before = [job_record(state, version) for state, version in states]
    bench.put(*before)
    ids = [record["_id"] for record in before] + [job_record()["_id"]]

    for delivery in deliveries:
        named = [succeeded(ids[n % len(ids)], version) for n, version in delivery]
        await bench.recording.record(on("results", *named))
    await bench.figures.write()

    sent = {(n % len(ids), version) for delivery in deliveries for n, version in delivery}
    for n, record in enumerate(before):
        after = bench.store.jobs[record["_id"]]
        moves = record["state"] == JobState.RUNNING and (n, record["version"]) in sent
        assert after["version"] == record["version"] + moves
        assert after["state"] == (JobState.SUCCEEDED if moves else record["state"])
    stored = {(i, r["version"]) for i, r in bench.store.jobs.items() if r["state"] == JobState.SUCCEEDED}
    assert set(bench.publisher.events) <= stored
    moved = sum(bench.store.jobs[record["_id"]]["version"] > record["version"] for record in before)
    assert sum(minute["finished"] for minute in bench.store.minutes.values()) == moved

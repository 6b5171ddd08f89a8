"""The order in which dead letters are parked, and what an outage leaves behind."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq_worker.parking import Parking
from job_contracts.lifecycle import MOVES, ErrorKind, JobState
from job_contracts.messages import ErrorInfo
from job_contracts.views import Record
from service_chassis.metrics import Metrics
from tests.contract.builders import TAKEN_AT, failed, job_record, on
from tests.contract.memory import MemoryStore


class OutageError(Exception):
    """A server is away."""


class Bench:
    """A parking with its fakes."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.metrics = Metrics()
        self.events: list[tuple[str, int]] = []
        self.away: set[str] = set()
        self.parking = Parking(
            store=self.store,
            publisher=self,
            cluster_id=self._cluster_id,
            metrics=self.metrics,
            retention=timedelta(days=7),
            letter_retention=timedelta(days=30),
        )

    async def changed(self, records: Sequence[Record]) -> None:
        self._reach("job-events")
        self.store.calls.append("changed")
        self.events += [(record["_id"], record["version"]) for record in records]

    async def _cluster_id(self) -> str:
        self._reach("cluster id")
        return "c1"

    def _reach(self, what: str) -> None:
        if what in self.away:
            raise OutageError(what)

    def put(self, *records: Record) -> None:
        self.store.jobs |= {record["_id"]: dict(record) for record in records}

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("letters_parked_total", {"outcome": outcome}) or 0


async def test_the_letter_comes_before_the_move_and_the_move_before_the_event() -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    await bench.parking.park(on("dead-letter", b"noise", failed(job["_id"])))
    assert bench.store.calls == ["keep", "apply", "records", "changed", "count"]


async def test_noise_alone_touches_no_record_and_is_not_announced() -> None:
    bench = Bench()
    await bench.parking.park(on("dead-letter", b"noise", None))
    assert bench.store.calls == ["keep"]
    assert list(bench.store.letters) == [f"c1.dead-letter.0.{n}.{TAKEN_AT}" for n in range(2)]


async def test_a_letter_that_nobody_can_handle_is_kept_as_bytes_once_and_touches_no_record() -> None:
    bench = Bench()
    (received,) = on("dead-letter", failed(job_record()["_id"]))
    for _ in range(2):
        await bench.parking.quarantine(received, OverflowError("date value out of range"))
    assert bench.store.calls == ["keep", "keep"]
    assert list(bench.store.letters) == [f"c1.dead-letter.0.0.{TAKEN_AT}"]


async def test_jobs_that_failed_alike_move_together() -> None:
    bench = Bench()
    jobs = [job_record() for _ in range(50)]
    bench.put(*jobs)
    sizes = []
    apply = bench.store.apply

    async def counting(moves: Sequence[object]) -> int:
        sizes.append(len(moves))
        return await apply(moves)  # type: ignore[arg-type]

    bench.store.apply = counting  # type: ignore[method-assign]
    errors = [ErrorInfo(type="A", message="a"), ErrorInfo(type="B", message="b")]
    await bench.parking.park(
        on("dead-letter", *(failed(job["_id"], error=errors[n % 2]) for n, job in enumerate(jobs)))
    )
    assert sizes == [2]
    assert len(bench.events) == 50


@pytest.mark.parametrize("away", ["job-events", "cluster id"])
async def test_an_outage_makes_the_batch_come_again_and_then_nothing_is_missing(away: str) -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    batch = on("dead-letter", b"noise", failed(job["_id"]))
    bench.away = {away}
    for _ in range(2):
        with pytest.raises(OutageError):
            await bench.parking.park(batch)

    bench.away = set()
    await bench.parking.park(batch)

    assert bench.events == [(job["_id"], 3)]
    assert [minute["failed"] for minute in bench.store.minutes.values()] == [1]
    assert len(bench.store.letters) == 2
    assert bench.store.jobs[job["_id"]]["version"] == 3


async def test_what_became_of_each_message_is_counted() -> None:
    bench = Bench()
    job = job_record()
    bench.put(job)
    for start in (0, 2):
        await bench.parking.park(on("dead-letter", failed(job["_id"]), b"noise", start=start))
    assert [bench.count(o) for o in ("failed", "repeated", "message_rejected")] == [1, 1, 2]
    assert bench.metrics.registry.get_sample_value("parking_seconds_count") == 2


@given(
    states=st.lists(
        st.tuples(st.sampled_from(list(JobState)), st.integers(1, 5), st.booleans()), min_size=1, max_size=6
    ),
    letters=st.lists(
        st.tuples(st.integers(0, 6), st.integers(1, 5), st.sampled_from(list(ErrorKind))), max_size=20
    ),
)
async def test_every_letter_is_kept_and_a_job_fails_only_out_of_a_state_that_may_fail(
    states: list[tuple[JobState, int, bool]], letters: list[tuple[int, int, ErrorKind]]
) -> None:
    bench = Bench()
    expired = {"expire_by": datetime(2026, 1, 1, tzinfo=UTC)}
    before = [job_record(state, version, **(expired if late else {})) for state, version, late in states]
    bench.put(*before)
    ids = [record["_id"] for record in before] + [job_record()["_id"]]

    await bench.parking.park(
        on("dead-letter", *(failed(ids[n % len(ids)], version, kind=kind) for n, version, kind in letters))
    )

    assert len(bench.store.letters) == len(letters)
    sent = {(n % len(ids), version, kind is ErrorKind.EXPIRED) for n, version, kind in letters}
    for n, record in enumerate(before):
        after = bench.store.jobs[record["_id"]]
        waits = JobState(record["state"]) in MOVES["fail_expired"].sources and "expire_by" in record
        runs = JobState(record["state"]) in MOVES["fail"].sources
        moves = (waits or runs) and (n, record["version"], waits) in sent
        assert after["version"] == record["version"] + moves
        assert after["state"] == (JobState.FAILED if moves else record["state"])
    moved = sum(bench.store.jobs[record["_id"]]["version"] > record["version"] for record in before)
    assert sum(minute["failed"] for minute in bench.store.minutes.values()) == moved

"""Processes that die exactly between two steps: what was done is done once, what was not is done later."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until_true

_REPEATED = "a crash between a write and its commit repeats the message, not the move"
ROWS = {
    ("job-worker", "after_effect"): (
        "F5",
        "a crash between the work and its result costs an attempt, not the job",
    ),
    ("job-worker", "after_claim"): ("F6", _REPEATED),
    ("job-worker", "after_results"): ("F6", _REPEATED),
    ("result-worker", "after_keep"): ("F6", _REPEATED),
    ("result-worker", "after_move"): ("F6", _REPEATED),
    ("dlq-worker", "after_keep"): ("F6", _REPEATED),
    ("dlq-worker", "after_move"): ("F6", _REPEATED),
    ("api", "after_insert"): ("F7", "a crash between storing a job and publishing it loses nothing"),
    ("api", "after_publish"): ("F8", "a crash after publishing a job publishes it twice and runs it once"),
}
TELLING = {("result-worker", "after_move"), ("api", "after_insert")}


def places() -> Iterator[Any]:
    for (kind, place), (row, promise) in ROWS.items():
        mark = pytest.mark.row(row, promise=promise, telling=(kind, place) in TELLING)
        yield pytest.param(kind, place, marks=mark, id=f"{kind} {place}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("kind", "place"), [*places()])
async def test_a_crash_between_two_steps_loses_and_doubles_nothing(
    kind: str,
    place: str,
    product: Product,
    api: Api,
    records: Records,
    topics: TopicProbe,
    figures: Figures,
    form: Form,
) -> None:
    victim = product.service(f"{kind}-1")
    counted_before = await records.counted_ends()
    extra: list[str] = []
    await victim.stop()
    victim.env["FAILPOINT"] = f"{place}:{form.draw(place).randint(2, 4)}"
    try:
        await victim.start()
        async with product.events("/events", again=True) as events:
            load = Load(api, jobs=form.jobs, rate=form.rate(25), seed=form.seed)
            async with load:
                await until_true(
                    lambda: not victim.process.alive or load.is_over, within=90, what=f"{kind} to die"
                )
                while victim.process.alive:
                    # At this rate a process may have seen few batches: more of the same until it dies.
                    extra.append(await api.submit_surely("sleep", {"seconds": 0.01, "fail": "reject"}))
                    extra.append(await api.submit_surely("noop"))
                    assert len(extra) < 500, f"{victim.name} did not come to {place}"
                victim.env.pop("FAILPOINT")
                await victim.start()
                healed = time.monotonic()
                await load.done()
            await records.all_final([*load.jobs, *extra], within=60)
            recovered = time.monotonic() - healed
            await topics.drained(within=30)
            for job in load.jobs:
                await events.seen(job, "failed" if job in load.doomed else "succeeded", within=30)
    finally:
        victim.env.pop("FAILPOINT", None)
    counted = await check(
        product,
        api.history,
        records=records,
        topics=topics,
        events=events,
        must_fail={*load.doomed, *extra[::2]},
    )
    ends = await records.counted_ends() - counted_before
    figures(recovery_s=recovered, ends_not_counted=len([*load.jobs, *extra]) - ends, **counted)
    assert ends <= len([*load.jobs, *extra]), "no end is counted twice"
    if kind != "job-worker":
        assert counted["extra attempts"] == 0, "what nobody ran at the time is not run again"
    elif place != "after_results":
        assert counted["extra attempts"] > 0, "what was not finished is run again"

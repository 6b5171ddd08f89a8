"""The ways a job ends, and what a person can do about it: retries, rejection, redrive, cancel, timeout, progress."""

import asyncio

from tests.support.api import Api
from tests.support.product import Product


async def test_a_failing_job_is_tried_again_with_back_off_until_its_attempts_are_used_up(
    product: Product, api: Api
) -> None:
    job = await api.submit("sleep", {"seconds": 0.06, "fail": "retry"}, max_attempts=3)
    async with product.events(f"/jobs/{job}/events") as events:
        await events.ended(within=30)
    view = await api.view(job)
    assert (view["state"], view["attempt"], view["error"]["kind"]) == ("failed", 3, "exhausted")
    assert view["error"]["type"] == "Retry"
    attempts = await api.attempts(job)
    assert [(a["attempt"], a["outcome"]) for a in attempts] == [
        (1, "failed"),
        (2, "failed"),
        (3, "exhausted"),
    ]
    waits = [f.data for f in events.of(job) if f.data["state"] == "waiting"]
    assert {w["reason"] for w in waits} == {"retry"}
    assert all(w["wake_at"] for w in waits)
    # pending, running, then twice waiting, pending, running, then failed
    assert view["version"] == 9
    assert not events.disorder()


async def test_a_rejected_job_leaves_a_dead_letter_and_can_be_redriven_with_a_better_payload(
    api: Api,
) -> None:
    job = await api.submit("sleep", {"seconds": 0, "fail": "reject"}, tags=["bad"])
    failed = await api.finish(job)
    assert (failed["state"], failed["attempt"], failed["error"]["kind"]) == ("failed", 1, "rejected")

    letters = (await api.get("/dead-letters", params={"kind": "rejected"})).json()["dead_letters"]
    letter = next(x for x in letters if x["job"] == job)
    assert (letter["task"], letter["owner"], letter["attempts"]) == ("sleep", "default", 1)
    assert letter["error"] == {"type": "Reject", "message": failed["error"]["message"]}
    assert letter["origin"]["topic"] == "dead-letter"

    answer = await api.redrive(job)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["state"], answer.json()["redrives"]) == ("pending", 1)
    again = await api.finish(job)
    assert (again["state"], again["attempt"], again["redrives"]) == ("failed", 1, 1), (
        "a new series of attempts"
    )

    assert (await api.redrive(job, payload={"seconds": 0})).status_code == 202
    assert (await api.finish(job))["state"] == "succeeded"
    refused = await api.redrive(job)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-not-failed")


async def test_the_fourth_redrive_needs_force(api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    for _ in range(3):
        await api.finish(job)
        assert (await api.redrive(job)).status_code == 202
    await api.finish(job)
    refused = await api.redrive(job)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/redrive-limit")
    assert (await api.redrive(job, force=True)).status_code == 202
    assert (await api.finish(job))["redrives"] == 4


async def test_a_bad_payload_on_redrive_is_refused_by_its_field(api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    await api.finish(job)
    refused = await api.redrive(job, payload={"seconds": -1})
    assert refused.status_code == 422
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/payload/seconds"]
    assert (await api.view(job))["state"] == "failed"


async def test_an_attempt_that_takes_longer_than_its_timeout_is_ended(api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 60}, timeout=0.5, max_attempts=1)
    view = await api.finish(job, within=10)
    assert (view["state"], view["error"]["kind"]) == ("failed", "timed_out")


async def test_a_waiting_job_is_cancelled_at_once(api: Api) -> None:
    job = await api.submit("noop", delay=600)
    answer = await api.cancel(job)
    assert (answer.status_code, answer.json()["state"], answer.json()["version"]) == (200, "cancelled", 2)
    again = await api.cancel(job)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/job-already-final")


async def test_a_pending_job_is_cancelled_at_once_and_never_runs(product: Product, api: Api) -> None:
    workers = product.names("job-worker")
    for name in workers:
        product.stack.pause(name)
    try:
        job = await api.submit("noop")
        answer = await api.cancel(job)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    finally:
        for name in workers:
            product.stack.resume(name)
    behind = await api.submit("noop")
    assert (await api.finish(behind))["state"] == "succeeded"
    assert (await api.view(job)) == answer.json()


async def test_a_running_job_is_told_to_stop_and_stops(product: Product, api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 60})
    await api.reach(job, "running")
    async with product.events(f"/jobs/{job}/events") as events:
        answer = await api.cancel(job)
        assert (answer.status_code, answer.json()["cancel_requested"]) == (200, True)
        await events.ended(within=15)
    assert events.states(job)[-1] == "cancelled"
    assert [a["outcome"] for a in await api.attempts(job)] == ["cancelled"]


async def test_progress_is_seen_live_and_bumps_the_revision_alone(product: Product, api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 2, "steps": 4})
    async with product.events(f"/jobs/{job}/events") as events:
        await events.ended(within=20)
    told = [f.data for f in events.of(job, "progress")]
    assert told, "some progress is seen"
    assert {p["version"] for p in told} == {2}
    assert [p["percent"] for p in told] == sorted(p["percent"] for p in told)
    assert [p["revision"] for p in told] == sorted({p["revision"] for p in told})
    assert not events.disorder()
    assert (await api.view(job))["version"] == 3


async def test_many_watchers_of_one_job_see_the_same_end(product: Product, api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 1})
    watchers = [product.events(f"/jobs/{job}/events") for _ in range(20)]
    await asyncio.gather(*(w.__aenter__() for w in watchers))
    await asyncio.gather(*(w.ended(within=20) for w in watchers))
    ends = {(w.frames[-1].event, w.states(job)[-1], w.moments(job)[-1]) for w in watchers}
    assert ends == {("end", "succeeded", (3, 0))}

"""Which jobs hold which keys: the same in memory and in MongoDB."""

from typing import Any

from job_contracts.personal import redrive
from tests.contract.api.places import Place
from tests.unit.api.fakes import record

NOBODY: list[tuple[str, str]] = []


def keyed(
    number: int, key: str | None = None, unique_key: str | None = None, **fields: Any
) -> dict[str, Any]:
    job = record(f"0198ffff-0000-7000-8000-{number:012}", **fields)
    if key is not None:
        job["idempotency"] = {"key": key, "hash": "h"}
    if unique_key is not None:
        job["unique_key"] = unique_key
    return job


async def test_an_insert_names_the_jobs_whose_key_was_held(place: Place) -> None:
    assert await place.jobs.insert([keyed(1, "a"), keyed(2, "b")]) == set()
    assert await place.jobs.insert([keyed(3, "c"), keyed(4, "a"), keyed(5, "d"), keyed(6, "b")]) == {1, 3}
    found = await place.jobs.holders(
        idempotency=[("default", "a"), ("default", "d"), ("somebody", "a")], unique=NOBODY
    )
    assert {key: job["_id"][-1] for (_, key), (job, _) in found.idempotency.items()} == {"a": "1", "d": "5"}
    assert found.unique == {}


async def test_one_live_job_of_an_owner_holds_a_unique_key(place: Place) -> None:
    assert await place.jobs.insert([keyed(1, None, "u"), keyed(2, None, "u"), keyed(3, None, "v")]) == {1}
    others = [
        keyed(4, None, "u", owner="somebody"),
        keyed(5, None, "u", state="succeeded"),
        keyed(6, "k", "u"),
    ]
    assert await place.jobs.insert(others) == {2}
    found = await place.jobs.holders(
        idempotency=[("default", "k")], unique=[("default", "u"), ("somebody", "u"), ("somebody", "v")]
    )
    assert {key: job["_id"][-1] for key, job in found.unique.items()} == {
        ("default", "u"): "1",
        ("somebody", "u"): "4",
    }
    assert found.idempotency == {}


async def test_an_ended_job_lets_its_unique_key_go_but_not_its_idempotency_key(place: Place) -> None:
    await place.jobs.insert([keyed(1, "k", "u", state="failed")])
    found = await place.jobs.holders(idempotency=[("default", "k")], unique=[("default", "u")])
    assert (list(found.idempotency), found.unique) == ([("default", "k")], {})
    assert await place.jobs.insert([keyed(2, "l", "u"), keyed(3, "k")]) == {1}


async def test_of_many_redrives_those_whose_key_is_held_change_nothing(place: Place) -> None:
    failed = [keyed(n, None, "u" if n < 3 else "v", state="failed") for n in range(1, 4)]
    await place.jobs.insert(
        [*failed, keyed(4, None, "v"), keyed(5, state="failed"), keyed(6, state="failed")]
    )
    ids = [keyed(n)["_id"] for n in range(7)]
    moves = [redrive([i], owner="default", limit=3) for i in ids[1:4]]
    moves.append(redrive(ids[5:], owner="default", limit=3))
    assert await place.jobs.change(moves) == 3
    stored = {job["_id"]: job["state"] for job in await place.jobs.jobs(ids)}
    assert [stored[i] for i in ids[1:]] == ["pending", "failed", "failed", "pending", "pending", "pending"]

"""How long what has ended is kept: each final state by its own setting, removed by MongoDB itself."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from tests.support.api import Api
from tests.support.product import Product, Servers
from tests.support.records import Document, Records

KEPT = {
    "succeeded": timedelta(hours=1),
    "failed": timedelta(hours=2),
    "cancelled": timedelta(hours=3),
}


@pytest.fixture(scope="module")
def product(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    env = {f"RETENTION__{state.upper()}": str(kept.total_seconds()) for state, kept in KEPT.items()}
    product = Product(tmp_path_factory.mktemp("retention"), servers=servers, env=env)
    product.up()
    yield product
    product.down()


@pytest.fixture
async def records(product: Product) -> AsyncIterator[Records]:
    async with product.records() as records:
        yield records


def _kept(record: Document) -> timedelta:
    kept: timedelta = record["expire_at"] - record["finished_at"]
    return kept


async def test_each_final_state_is_kept_by_its_own_setting_and_a_redriven_job_for_ever(
    api: Api, records: Records
) -> None:
    succeeded = await api.submit()
    failed = await api.submit("sleep", {"seconds": 0, "fail": "reject"})
    waiting = await api.submit(delay=600)
    running = await api.submit("sleep", {"seconds": 600})
    await api.reach(running, "running")
    for job in (waiting, running):
        assert (await api.cancel(job)).status_code == 200
    for job, state in (
        (succeeded, "succeeded"),
        (failed, "failed"),
        (waiting, "cancelled"),
        (running, "cancelled"),
    ):
        await api.reach(job, state)
        assert _kept(await records.job(job)) == KEPT[state]
    (letter,) = await records.dead_letters(job=failed)
    assert letter["expire_at"] > (await records.job(failed))["expire_at"]
    assert (await api.redrive(failed, payload={"seconds": 600})).status_code == 202
    await api.reach(failed, "running")
    assert "expire_at" not in await records.job(failed)
    await api.cancel(failed)
    await api.reach(failed, "cancelled")
    assert _kept(await records.job(failed)) == KEPT["cancelled"]


async def test_mongodb_itself_removes_what_has_expired(records: Records) -> None:
    for name in ("jobs", "results", "dead_letters", "workers"):
        index = (await records.database[name].index_information())["expiry"]
        assert (index["key"], index["expireAfterSeconds"]) == ([("expire_at", 1)], 0)

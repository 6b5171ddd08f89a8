"""The api alone on real servers; the tests themselves play the workers."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from job_contracts.keeping import progress
from job_contracts.lifecycle import ErrorKind
from job_contracts.messages import ErrorInfo, JobProgressed, encode, headers_of
from job_contracts.record import GuardedMove, claim, fail, succeed
from job_contracts.topics import Topic
from job_contracts.views import changed
from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.product import Product, Servers
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until
from tests.unit.api.fakes import SEARCH, task_doc

Record = dict[str, Any]

_DAY = timedelta(days=1)


class Hand:
    """Plays the workers: makes their moves in MongoDB and announces them on `job-events`."""

    def __init__(self, records: Records, topics: TopicProbe) -> None:
        self.records, self.topics = records, topics

    async def claim(self, job: str) -> Record:
        version = (await self.records.job(job))["version"]
        return await self._move(claim([job], version, worker="w1", token="t"))

    async def succeed(self, job: str, result: str = '{"done":true}', *, announce: bool = True) -> Record:
        version = (await self.records.job(job))["version"]
        await self.records.database["results"].insert_one(
            {"_id": {"job": job, "version": version}, "owner": "default", "result": result}
        )
        return await self._move(
            succeed([job], version, retention=_DAY, token="t"), result.encode(), announce=announce
        )

    async def fail(self, job: str) -> Record:
        version = (await self.records.job(job))["version"]
        error = ErrorInfo(type="Boom", message="it broke")
        return await self._move(
            fail([job], version, kind=ErrorKind.REJECTED, error=error, retention=_DAY, token="t")
        )

    async def progress(self, job: str, percent: float) -> None:
        version = (await self.records.job(job))["version"]
        stored = await self._move(
            progress(job, version, percent=percent, message="on the way"), announce=False
        )
        message = JobProgressed(
            job_id=job,
            owner="default",
            version=version,
            revision=stored["revision"],
            percent=percent,
            message="on the way",
        )
        await self.topics.produce(
            Topic.JOB_EVENTS, encode(message), key=job.encode(), headers=headers_of(message, state="running")
        )

    async def _move(self, move: GuardedMove, result: bytes | None = None, *, announce: bool = True) -> Record:
        stored: Record | None = await self.records.database["jobs"].find_one_and_update(
            move.filter, move.update, return_document=True
        )
        assert stored is not None, f"the move matched nothing: {move.filter}"
        if announce:
            message = changed(_aware(stored), result)
            headers = headers_of(message, state=stored["state"])
            await self.topics.produce(
                Topic.JOB_EVENTS, encode(message), key=stored["_id"].encode(), headers=headers
            )
        return stored


def _aware(record: Mapping[str, Any]) -> Record:
    from datetime import UTC, datetime

    return {k: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for k, v in record.items()}


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """Settings of the api; a module says otherwise by its own fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def product(
    servers: Servers, env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    alone = Replicas(job_worker=0, result_worker=0, dlq_worker=0)
    product = Product(tmp_path_factory.mktemp("api"), servers=servers, replicas=alone, env=env)
    product.up()
    yield product
    product.down()


@pytest.fixture
async def records(product: Product) -> AsyncIterator[Records]:
    async with product.records() as records:
        tasks = (
            task_doc("noop"),
            task_doc("image.search", SEARCH),
            task_doc("image.used"),
            task_doc("any", {}),
        )
        for doc in tasks:
            await records.database["tasks"].replace_one({"_id": doc["_id"]}, doc, upsert=True)
        yield records


@pytest.fixture
async def topics(product: Product) -> AsyncIterator[TopicProbe]:
    async with product.topics() as topics:
        yield topics


@pytest.fixture
def hand(records: Records, topics: TopicProbe) -> Hand:
    return Hand(records, topics)


@pytest.fixture
async def api(product: Product, records: Records) -> AsyncIterator[Api]:
    async with product.api() as api:

        async def known() -> bool:
            return len((await api.get("/tasks")).json()["tasks"]) == 4

        await until(known, within=10, what="the catalogue to be read")
        yield api

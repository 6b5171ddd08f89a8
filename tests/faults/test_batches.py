"""A batch whose api dies in the middle of it: a repeat completes it, and nothing is there twice."""

import time
from uuid import uuid4

import httpx
import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until_true

PROMISE = "a batch whose api dies between its record and its jobs is completed by a repeat, none double"


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "place",
    [
        pytest.param("after_batch", marks=pytest.mark.row("F7", promise=PROMISE, telling=True)),
        pytest.param("after_insert", marks=pytest.mark.row("F7", promise=PROMISE)),
    ],
)
async def test_a_batch_that_is_repeated_across_a_crash_of_the_api_is_whole_and_single(
    place: str,
    product: Product,
    api: Api,
    records: Records,
    topics: TopicProbe,
    figures: Figures,
    form: Form,
) -> None:
    size = form.at_most(1_000)
    key, tag = str(uuid4()), str(uuid4())
    body = {
        "name": tag,
        "jobs": [{"task": "sleep", "payload": {"seconds": n / 10_000}, "tags": [tag]} for n in range(size)],
    }
    victim = product.service("api-1")
    await victim.stop()
    victim.env["FAILPOINT"] = place
    try:
        await victim.start()
        with pytest.raises(httpx.TransportError):
            await api.post_batch(body, key=key)
        await until_true(lambda: not victim.process.alive, within=10, what="the api to die")
    finally:
        victim.env.pop("FAILPOINT", None)
    begun = await records.database["batches"].find_one({"name": tag})
    assert begun is not None
    assert "stored" not in begun
    left = await records.database["jobs"].count_documents({"batch": begun["_id"]})
    assert left == {"after_batch": 0, "after_insert": size}[place]
    await victim.start()
    healed = time.monotonic()
    async with product.events(f"/events?batch={begun['_id']}", again=True) as events:
        answers = [await api.post_batch(body, key=key) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 200, 200], answers[0].text
        told = [[job["id"] for job in answer.json()["jobs"]] for answer in answers]
        assert told[0] == told[1] == told[2]
        assert len(set(told[0])) == size
        await records.all_final(told[0], within=60)
        recovered = time.monotonic() - healed
        await topics.drained(within=30)
        if place == "after_batch":
            for job in told[0]:
                await events.seen(job, "succeeded", within=30)
    stored = await records.jobs(told[0])
    assert [stored[job]["payload"] for job in told[0]] == [f'{{"seconds":{n / 10_000}}}' for n in range(size)]
    assert await records.database["jobs"].count_documents({"tags": tag}) == size
    view = (await api.get(f"/batches/{begun['_id']}")).json()
    assert (view["total"], view["jobs"]["succeeded"], view["done"]) == (size, size, True)
    counted = await check(product, api.history, records=records, topics=topics)
    assert counted["extra attempts"] == 0
    figures(left_by_the_crash=left, recovery_s=recovered, **counted)

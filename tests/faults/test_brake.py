"""An upstream that refuses everybody for a reason that is nobody's fault: the task pauses, its jobs wait."""

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.unsplash import KEY, Unsplash, unauthorized
from tests.support.waiting import until

RUN = 10


@pytest.mark.row(
    "F25", promise="an upstream key that has expired pauses the task and buries few jobs", telling=True
)
@pytest.mark.timeout(240)
async def test_an_expired_upstream_key_pauses_the_task_and_its_jobs_wait(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    await records.forget("upstreams", "answers")
    with Unsplash(quota=10_000) as upstream:
        settings = {
            "UNSPLASH__ACCESS_KEY": KEY,
            "UNSPLASH__BASE_URL": upstream.base_url,
            "UNSPLASH__QUOTA": "10000",
            "BRAKE__RUN": str(RUN),
            "BRAKE__PROBE_AFTER": "3",
            "WORKER__CONCURRENCY": "10",
        }
        async with product.having("job-worker", **settings):
            upstream.always(unauthorized())
            jobs = [
                await api.submit("image.search", {"query": f"hills {n}", "count": 1})
                for n in range(4 * form.at_most(500))
            ]

            async def paused() -> dict[str, object]:
                task = (await api.get("/tasks/image.search")).json()
                assert task["paused"], task
                return dict(task["pause"])

            pause = await until(paused, within=30, what="the task to pause itself")
            assert pause["by"] == "brake"
            assert "of the last 10 attempts ended in" in str(pause["reason"])

            async def all_wait() -> bool:
                states = {r["state"] for r in (await records.jobs(jobs)).values()}
                assert states <= {"waiting", "failed"}, states
                return True

            await until(all_wait, within=60, what="the jobs to wait", every=0.3)
            other = await api.submit("noop")
            assert (await api.finish(other))["state"] == "succeeded", "other tasks go on"

            upstream.always(None)
            await records.all_final(jobs, within=120)
            assert not (await api.get("/tasks/image.search")).json()["paused"], "a probe has resumed it"
            buried = {job for job, r in (await records.jobs(jobs)).items() if r["state"] == "failed"}
            await topics.drained()
            counted = await check(product, api.history, records=records, topics=topics, must_fail=buried)
    figures(buried=len(buried), **counted)
    assert RUN <= len(buried) <= 2 * RUN + 20, "one run for each worker, what ended with it, and a few probes"

"""Tasks that compute for long, hang or crash: the loop, the other jobs and the end of the worker do not notice."""

import time
from pathlib import Path

import psutil
import pytest

from tests.support.api import Api
from tests.support.heavy_tasks import install
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


@pytest.mark.row(
    "F47", promise="functions that hang or raise what they may not cost their own attempts alone"
)
@pytest.mark.timeout(240)
async def test_functions_that_hang_keep_neither_their_jobs_nor_the_end_of_their_worker(
    product: Product, api: Api, records: Records, topics: TopicProbe, tmp_path: Path
) -> None:
    async with product.having("job-worker", PYTHONPATH=install(tmp_path), SHUTDOWN_GRACE="PT13S"):
        raising = [await api.submit("hang", {"how": "stop"}, max_attempts=1) for _ in range(12)]
        late = await api.submit("hang", {"seconds": 4}, timeout=1, max_attempts=1)
        hanging = [await api.submit("hang", {"seconds": 60}) for _ in range(4)]
        for job in raising:
            ended = await api.finish(job)
            assert (ended["state"], ended["error"]["type"]) == ("failed", "StopIteration"), ended
        ended = await api.finish(late)
        assert (ended["error"]["kind"], ended["error"]["type"]) == ("timed_out", "AttemptTimedOut"), ended
        for job in hanging:
            await api.reach(job, "running")
        for name in product.names("job-worker"):
            began = time.monotonic()
            await product.stack.stop(name)
            assert time.monotonic() - began < 20
            assert product.stack.part(name).process.exit_code == 0
        stored = (await records.jobs(hanging)).values()
        assert {r["state"] for r in stored} == {"pending"}, "they were given back"
        for job in hanging:
            await api.cancel(job)
    await check(
        product,
        api.history,
        records=records,
        topics=topics,
        must_fail={*raising, late},
        must_cancel=set(hanging),
    )


@pytest.mark.row("F48", promise="a task that takes its own process down costs that attempt alone")
@pytest.mark.timeout(240)
async def test_children_that_crash_cost_their_attempts_and_end_with_their_worker(
    product: Product, api: Api, records: Records, topics: TopicProbe, tmp_path: Path
) -> None:
    async with product.having("job-worker", PYTHONPATH=install(tmp_path)):
        crashing = [await api.submit("crash", {"how": how}) for how in ("abort", "exit") * 3]
        beside = [await api.submit("noop") for _ in range(20)]
        for job in beside:
            assert (await api.finish(job))["state"] == "succeeded"
        for job in crashing:
            ended = await api.finish(job, within=60)
            assert (ended["state"], ended["error"]["type"]) == ("failed", "ProcessDied"), ended
            assert [a["outcome"] for a in await api.attempts(job)] == ["failed", "exhausted"]
        long = await api.submit("crash", {"seconds": 60})
        await api.reach(long, "running")
        victims = [psutil.Process(product.stack.part(n).process.pid) for n in product.names("job-worker")]
        children = [child for victim in victims for child in victim.children(recursive=True)]
        assert children
        for name in product.names("job-worker"):
            await product.stack.kill(name)

        async def gone() -> bool:
            left = [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
            assert not left, left
            return True

        await until(gone, within=10, what="the children to end with their workers")
        await api.cancel(long)
    await records.all_final([long], within=60)
    await check(
        product,
        api.history,
        records=records,
        topics=topics,
        must_fail=set(crashing),
        must_cancel={long},
    )

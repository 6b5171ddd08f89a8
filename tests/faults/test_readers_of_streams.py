"""Readers that stand still, vanish, or are too many: they cost themselves and nobody else."""

import asyncio
import re
import resource
import shutil
import statistics
import subprocess
import time

import httpx
import pytest

from tests.faults.conftest import Form
from tests.faults.test_replicas_of_streams import CONVERGED, converge
from tests.support.api import Api
from tests.support.checking.footprint import back_to_baseline, footprints
from tests.support.checking.rest import at_rest
from tests.support.crowd import Crowd
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load, Wanted
from tests.support.network import FarClient
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until, until_true

TAGS = [f"{number:0>64}" for number in range(16)]
"""They make an event as large as a kilobyte and more, so that buffers fill."""

CUT_WITHIN = 30.0
SLOWER = 2.0
"""How much later good readers may hear of a job while others stall; and 50 ms, which is noise here."""
NOTICED_WITHIN = 45.0


async def open_streams(product: Product, count: int, *, within: float) -> None:
    async def look() -> bool:
        there = await product.counted("api", "streams_open")
        assert there == count, f"there are {there:g}"
        return True

    await until(look, within=within, what=f"{count} open streams", every=0.1)


def heard_after(load: Load, api: Api, crowd: Crowd) -> list[float]:
    """Seconds from sending a POST to each reader's hearing of its job."""
    posted = {post.job: post.at for post in api.history}
    ours = set(load.jobs)
    return [at - posted[job] for job, at in crowd.arrivals if job in ours]


def kernel_bytes(port: int) -> int:
    """What the kernel holds for the clients of a port and they have not taken."""
    if shutil.which("ss") is None:
        return 0
    said = subprocess.run(["ss", "-tmnH", f"sport = :{port}"], check=True, capture_output=True, text=True)
    return sum(int(count) for count in re.findall(r"skmem:\(.*?,w(\d+),", said.stdout))


@pytest.mark.row("F32", promise="readers that take nothing are cut off, and slow down nobody")
@pytest.mark.timeout(240)
async def test_readers_that_take_nothing_are_cut_off_and_slow_down_nobody(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    count, jobs, rate = round(form.of(50, 500)), round(form.of(80, 120)), form.of(20, 10)
    port = product.service("api-1").ports["http"]
    urls = product.stack.api_urls

    def load() -> Load:
        return Load(api, jobs=jobs, rate=rate, seed=form.seed, mix=lambda *_: Wanted(fields={"tags": TAGS}))

    before = await footprints(product)
    async with Crowd(urls, count=count) as good:
        async with load() as before_them:
            await before_them.done()
        await converge(good, records, before_them.jobs)
        async with Crowd(urls, count=count, comes_back=False, buffer=4_096) as stalled:
            for reader in stalled.readers:
                reader.stall()
            held, cut_at = 0, 0.0
            began = time.monotonic()
            async with load() as beside:
                while not beside.is_over:
                    held = max(held, kernel_bytes(port))
                    await asyncio.sleep(0.25)  # between two looks
                await beside.done()
            during = await footprints(product)
            await open_streams(product, count, within=CUT_WITHIN)
            cut_at = time.monotonic() - began
        async with load() as after_them:
            await after_them.done()
        after = await converge(good, records, [*beside.jobs, *after_them.jobs])
        assert good.open == count
        went_back = good.went_back
    grown = await back_to_baseline(product, before)
    await at_rest(records, topics)
    counted = await check(product, api.history, records=records, topics=topics)
    late = [
        statistics.quantiles(heard_after(some, api, good), n=100)[98]
        for some in (before_them, beside, after_them)
    ]
    alone = max(late[0], late[2])  # the machine is not the same all the time
    rss = during["api-1"].rss - before["api-1"].rss
    figures(
        good=count,
        stalled=count,
        heard_after_p99_ms_alone=1000 * alone,
        heard_after_p99_ms_beside_stalled=1000 * late[1],
        all_cut_after_s=cut_at,
        kernel_KiB_a_stalled=held / count / 1024,
        rss_growth_KiB_a_reader=rss / count / 2 / 1024,
        **grown,
        **counted,
    )
    assert late[1] < SLOWER * alone + 0.05
    assert held / count < 512 * 1024
    assert rss / (2 * count) < 512 * 1024 + 16 * 2**20 / count
    assert went_back == 0
    assert after < CONVERGED


@pytest.mark.row("F36", promise="a client whose network is gone without a word is noticed within 45 s")
@pytest.mark.timeout(240)
async def test_a_client_whose_network_is_gone_without_a_word_is_noticed(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    heartbeat = form.of(4, 15)
    everywhere = {"HTTP__HOST": "0.0.0.0", "STREAMS__HEARTBEAT": f"PT{heartbeat:g}S"}
    port = product.service("api-1").ports["http"]
    async with product.having("api", **everywhere):
        async with FarClient(port, watchdog=3 * heartbeat) as far:
            await until_true(lambda: far.said == ["open"], within=20, what="the far client")
            await open_streams(product, 1, within=5)
            far.pull()
            pulled = time.monotonic()
            await open_streams(product, 0, within=NOTICED_WITHIN)
            noticed = time.monotonic() - pulled
            await until_true(lambda: "silent" in far.said, within=NOTICED_WITHIN, what="its watchdog")
            far.plug()
            await until_true(lambda: far.said[-1] == "open", within=30, what="it to be back")
        jobs = [await api.submit() for _ in range(5)]
        await records.all_final(jobs, within=30)
    await at_rest(records, topics)
    counted = await check(product, api.history, records=records, topics=topics)
    figures(noticed_after_s=noticed, **counted)


@pytest.mark.row("F39", promise="streams leave the last file descriptors to POST and the health checks")
@pytest.mark.timeout(240)
async def test_streams_leave_the_last_file_descriptors_to_post_and_health_checks(
    product: Product, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    service = product.service("api-1")
    async with product.having("api"), httpx.AsyncClient(trust_env=False, timeout=5) as probe:
        assert service.process.pid is not None
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (256, 256))
        async with Crowd(product.stack.api_urls, count=400, comes_back=False) as crowd:
            let_in, busy = crowd.open, crowd.heard("busy")
            await open_streams(product, let_in, within=5)
            posts = list[float]()
            api = product.api()  # its connections are made now
            async with api:
                for _ in range(50):
                    began = time.monotonic()
                    await asyncio.gather(*(api.submit() for _ in range(2)))
                    posts.append(time.monotonic() - began)
                    assert (await probe.get(f"{service.ops_url}/livez")).status_code == 200
                assert (await probe.get(service.probe)).json()["status"] == "ready"
            jobs = [post.job for post in api.history if post.job]
            await records.all_final(jobs, within=60)

            def all_heard() -> bool:
                return all(job in r.newest for r in crowd.readers if r.is_open for job in jobs)

            await until_true(all_heard, within=10, what="those let in to hear of all jobs")
            assert crowd.open == let_in
        await open_streams(product, 0, within=10)
        idle = [await asyncio.open_connection("127.0.0.1", service.ports["http"]) for _ in range(300)]
        assert (await probe.get(f"{service.ops_url}/livez")).status_code == 200, (
            "not even idle ones take them"
        )
        for _, writer in idle:
            writer.close()
        async with product.api() as api_again:
            jobs.append(await api_again.submit_surely(within=10))
        await records.all_final(jobs, within=60)
    await at_rest(records, topics)
    counted = await check(product, [*api.history, *api_again.history], records=records, topics=topics)
    sent_away = 400 - let_in - busy
    figures(streams=let_in, busy=busy, sent_away=sent_away, post_slowest_s=max(posts), **counted)
    assert 50 <= let_in <= 256 - 100
    assert max(posts) < 3

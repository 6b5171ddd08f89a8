"""Servers whose disk is full: they fail loudly, are started again, and nothing that was accepted is lost."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.full_disks import disk_under
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.preloaded import COMPILER
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until_true

QUICKLY = 3.0
"""Seconds within which every POST is answered, whatever the answer is."""


@pytest.mark.row(
    "F38", promise="a full disk stops its server loudly; POST is taken or refused, and all go on with space"
)
@pytest.mark.skipif(COMPILER is None, reason="filling a disk takes a C compiler")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("server", ["kafka", "mongod"])
async def test_a_full_disk_under_a_server_loses_nothing(
    server: str,
    product: Product,
    api: Api,
    records: Records,
    topics: TopicProbe,
    figures: Figures,
    form: Form,
    tmp_path: Path,
) -> None:
    part = product.stack.part(server)
    async with disk_under(product, server, tmp_path) as disk:
        starts = part.process.starts
        product.stack.supervise = True
        try:
            # Each POST that is refused comes again at once: what this rate piles up in half a minute is enough.
            async with Load(api, jobs=form.jobs, rate=form.of(6, 20), seed=form.seed) as load:
                await load.reached(0.2)
                disk.fill()
                filled = time.monotonic()
                await until_true(
                    lambda: not part.process.alive or part.process.starts > starts,
                    within=30,
                    what=f"{server} to say so",
                )
                died_after = time.monotonic() - filled
                await asyncio.sleep(form.of(4, 12, 30))  # how long there is no space
                disk.free()
                freed = time.monotonic()
                await part.wait_ready(within=60)
                back_after = time.monotonic() - freed
                await load.done()
        finally:
            product.stack.supervise = False
        await product.heal()
        jobs = [post.job for post in api.history if post.job]
        await records.all_final(jobs, within=90)
        recovered = time.monotonic() - freed
        await at_rest(records, topics)
        counted = await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(
        died_after_s=died_after,
        started_again=part.process.starts - starts,
        back_after_s=back_after,
        slowest_post_s=load.slowest,
        refused=dict(load.errors),
        recovery_s=recovered,
        **counted,
    )
    assert set(load.errors) <= ({"503"} if server == "mongod" else set())
    assert load.slowest < 2 * QUICKLY
    assert counted["extra attempts"] == 0

"""Faults of all kinds, one after the other and two at once, while jobs keep coming."""

import time

import pytest

from tests.faults.conftest import Form, Proxied
from tests.support.api import Api
from tests.support.checking.footprint import back_to_baseline, footprints
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.mischief import Mischief, catalogue
from tests.support.records import Records
from tests.support.topics import TopicProbe

RATE = 10.0


@pytest.mark.row("F42", promise="all promises hold, whatever comes together", telling=True)
@pytest.mark.timeout(1_200)
async def test_mixed_faults_break_no_promise(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    product, seconds = proxied.product, form.of(30, 300, 1_800)
    before = await footprints(product)
    mischief = Mischief(catalogue(product.stack, kafka=proxied.kafka, mongo=proxied.mongo), form.draw("F42"))
    async with product.events("/events", again=True) as page:
        async with Load(api, jobs=round(RATE * seconds), rate=RATE, seed=form.seed) as load:
            await mischief.go_on(seconds=seconds)
            await product.heal()
            await load.done()
        healed = time.monotonic()
        await records.all_final(load.jobs, within=180)
        recovered = time.monotonic() - healed
        await at_rest(records, topics, within=60)
        for job, record in (await records.jobs(load.jobs)).items():
            await page.seen(job, record["state"], within=30)
    held = await back_to_baseline(product, before)
    counted = await check(
        product,
        api.history,
        records=records,
        topics=topics,
        events=page,
        must_fail=load.doomed,
        may_fail=load.jobs,  # all attempts of a job may have died of the faults themselves
    )
    figures(
        seconds=seconds,
        faults=dict(mischief.played.most_common()),
        quiet_s=mischief.quiet,
        post_p99_s=load.quantile(0.99),
        refused=dict(load.errors),
        recovery_s=recovered,
        died_of_faults=counted["failed"] - len(load.doomed),
        **held,
        **counted,
    )
    assert mischief.played

"""A link to Kafka that is dead without a word, slow, or cut again and again."""

import asyncio
import time

import pytest

from tests.faults.conftest import Form, Proxied
from tests.support.api import Api
from tests.support.checking.footprint import back_to_baseline, footprints
from tests.support.checking.rest import at_rest
from tests.support.events import Events
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.records import Records
from tests.support.topics import TopicProbe

POST_P99 = 3.0


async def heal(proxied: Proxied, load: Load, page: Events, records: Records, topics: TopicProbe) -> float:
    """Mend the link; return the seconds until every job has ended, once the page knows and nothing is left to do."""
    proxied.kafka.heal()
    healed = time.monotonic()
    await records.all_final(load.jobs, within=90)
    recovered = time.monotonic() - healed
    await at_rest(records, topics)
    await load.seen_by(page)
    return recovered


@pytest.mark.row(
    "F10", promise="a Kafka that never answers holds up no POST and leaves nothing hanging", telling=True
)
@pytest.mark.timeout(300)
async def test_a_kafka_that_never_answers_holds_up_no_post_and_leaves_nothing_hanging(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    product, lasts = proxied.product, form.of(12, 30, 60)
    before = await footprints(product)
    async with product.events("/events", again=True) as page:
        proxied.kafka.silence()
        async with Load(api, jobs=form.jobs, rate=form.jobs / lasts, seed=form.seed) as load:
            await load.done()
        recovered = await heal(proxied, load, page, records, topics)
    held = await back_to_baseline(product, before)
    counted = await check(
        product, api.history, records=records, topics=topics, events=page, must_fail=load.doomed
    )
    figures(silent_s=lasts, post_p99_s=load.quantile(0.99), recovery_s=recovered, **held, **counted)
    assert load.errors == {}, "every POST is accepted at once"
    assert load.quantile(0.99) < POST_P99
    assert counted["extra attempts"] == 0


@pytest.mark.row("F13", promise="on a slow link everything takes longer and nothing else happens")
@pytest.mark.timeout(300)
async def test_on_a_slow_link_everything_takes_longer_and_nothing_else_happens(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    product, lasts = proxied.product, form.of(12, 30, 60)
    proxied.kafka.delay(0.5, 0.3)
    proxied.kafka.throttle(64 * 1024)
    async with Load(api, jobs=form.jobs, rate=form.jobs / lasts, seed=form.seed) as load:
        await load.done()
    await records.all_final(load.jobs, within=120)  # on the slow link: it is no outage
    slow = product.readiness("job-worker-1"), product.readiness("result-worker-1")
    codes = [code for code, _ in await asyncio.gather(*slow)]
    proxied.kafka.heal()
    healed = time.monotonic()
    await at_rest(records, topics)
    counted = await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(slow_s=lasts, post_p99_s=load.quantile(0.99), recovery_s=time.monotonic() - healed, **counted)
    assert codes == [200, 200], "slow is not away"
    assert load.quantile(0.99) < POST_P99
    assert counted["extra attempts"] == 0


@pytest.mark.row("F14", promise="connections that are reset every two seconds lose nothing")
@pytest.mark.timeout(300)
async def test_connections_that_are_reset_again_and_again_lose_nothing(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    product, lasts = proxied.product, form.of(12, 30, 60)
    async with product.events("/events", again=True) as page:
        proxied.kafka.reset_every(2)
        async with Load(api, jobs=form.jobs, rate=form.jobs / lasts, seed=form.seed) as load:
            await load.done()
        recovered = await heal(proxied, load, page, records, topics)
    counted = await check(
        product, api.history, records=records, topics=topics, events=page, must_fail=load.doomed
    )
    figures(storm_s=lasts, post_p99_s=load.quantile(0.99), recovery_s=recovered, **counted)
    assert load.quantile(0.99) < POST_P99

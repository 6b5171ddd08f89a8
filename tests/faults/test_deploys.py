"""Workers come and go, and every service is deployed anew, while jobs keep coming: nobody notices."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load, Wanted, quantile
from tests.support.product import SERVICES, Product
from tests.support.records import Records
from tests.support.scaling import beside
from tests.support.topics import TopicProbe

WITHOUT_END = 20_000
"""Jobs of a load that is ended by what happens meanwhile."""

PAUSE = 0.5
"""Seconds without a start that are more than chance, at the rates of these rows."""

PATIENCE_OF_A_GROUP = 10.0
"""Seconds a rebalance waits for a member at most (`rebalance_timeout_ms`)."""

P99 = 2.0
"""Seconds within which 99 of 100 POSTs are answered while everything is deployed anew."""

FREE = 0.05
"""Seconds that a process waits for a core of two that are the product's own; with the wait the goal grows."""

LINGER = "PT2S"
"""How long an api goes on after SIGTERM: twice as long as by default, for a client that shares two cores with it."""


@pytest.mark.row("F27", promise="workers that come and go under load lose nothing and burn no attempt")
@pytest.mark.timeout(300)
async def test_workers_come_and_go_under_load(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    def long_enough(_: int, chance: random.Random) -> Wanted:
        return Wanted("sleep", {"seconds": round(chance.uniform(0.02, 3), 2)})

    rate, stays = form.of(20, 40), form.of(2, 8, 30)
    await product.stack.stop("job-worker-2")
    async with Load(api, jobs=WITHOUT_END, rate=rate, seed=form.seed, mix=long_enough) as load:
        await asyncio.sleep(stays)  # how long the load meets one worker
        async with beside(product, "job-worker", 6) as more:
            await product.stack.start("job-worker-2")
            await asyncio.sleep(stays)  # how long it meets eight
            await asyncio.gather(*(product.stack.stop(name) for name in more))
            codes = [product.stack.part(name).process.exit_code for name in more]
        healed = time.monotonic()
        await asyncio.sleep(stays)  # how long it meets two
        load.enough()
        await load.done()
    await records.all_final(load.jobs, within=60)
    recovered = time.monotonic() - healed - stays
    await at_rest(records, topics)
    pauses = [*await no_starts(records, load.jobs)]
    counted = await check(product, api.history, records=records, topics=topics)
    figures(
        rebalance_pauses_s=sum(pauses),
        longest_pause_s=max(pauses, default=0.0),
        recovery_s=max(0.0, recovered),
        **counted,
    )
    assert codes == [0] * len(more), "they ended within their grace"
    assert counted["extra attempts"] == 0
    assert max(pauses, default=0.0) < 2 * PATIENCE_OF_A_GROUP


async def no_starts(records: Records, jobs: Collection[str]) -> Iterator[float]:
    """Seconds of each time in which no job was started, though they keep coming."""
    ended = (await records.jobs(jobs)).values()
    starts = sorted(attempt["started_at"] for record in ended for attempt in record["attempts"])
    gaps = ((later - sooner).total_seconds() for sooner, later in pairwise(starts))
    return (gap for gap in gaps if gap > PAUSE)


@asynccontextmanager
async def waits_for_a_core() -> AsyncIterator[list[float]]:
    """Take down how much later than asked this process goes on: what the machine adds to whatever is measured."""
    waits: list[float] = []

    async def look() -> None:
        while True:
            due = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            waits.append(time.monotonic() - due)

    looking = asyncio.create_task(look(), name="waits-for-a-core")
    try:
        yield waits
    finally:
        looking.cancel()


@pytest.mark.row(
    "F28", promise="every service deployed anew under 50 jobs/s: no error, p99 of POST at most 2 s"
)
@pytest.mark.timeout(400)
async def test_every_service_is_deployed_anew_and_no_client_notices(
    replicas: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    names = [name for kind in SERVICES for name in replicas.names(kind)[: int(form.of(1, 2))]]
    codes: dict[str, int | None] = {}
    async with replicas.having("api", HTTP__LINGER=LINGER), replicas.events("/events", again=True) as page:
        async with waits_for_a_core() as waits, Load(api, jobs=WITHOUT_END, rate=50, seed=form.seed) as load:
            began = time.monotonic()
            for name in names:
                await replicas.stack.stop(name)
                codes[name] = replicas.stack.part(name).process.exit_code
                await replicas.stack.start(name)
            healed = time.monotonic()
            load.enough()
            await load.done()
        await records.all_final(load.jobs, within=60)
        recovered = time.monotonic() - healed
        await at_rest(records, topics)
        await load.seen_by(page)
    counted = await check(
        replicas, api.history, records=records, topics=topics, events=page, must_fail=load.doomed
    )
    figures(
        deployed=len(names),
        deployed_in_s=healed - began,
        errors=dict(load.errors),
        post_p50_ms=1000 * load.quantile(0.5),
        post_p99_s=(p99 := load.quantile(0.99)),
        core_p99_s=(core := quantile(waits, 0.99)),
        recovery_s=recovered,
        **counted,
    )
    assert codes == dict.fromkeys(names, 0), "nobody was killed, all ended cleanly"
    assert load.errors == {}
    assert p99 <= P99 * max(1, core / FREE)
    assert counted["extra attempts"] == 0

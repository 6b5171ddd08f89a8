"""Services told to end: cleanly within their grace, whatever their servers do, and at once when told twice."""

import asyncio
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import Form, Proxied
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe

WORKERS_GRACE = "PT13S"
"""Of which jobs have 3 s to finish. A service that is not through at its end exits with 1."""

FAULTS: dict[str, Callable[[Proxied], None]] = {
    "all is well": lambda _: None,
    "Kafka is gone": lambda proxied: proxied.kafka.refuse(),
    "Kafka never answers": lambda proxied: proxied.kafka.silence(),
    "MongoDB never answers": lambda proxied: proxied.mongo.silence(),
}


async def told_to_end(product: Product, name: str) -> float:
    """Seconds from SIGTERM to the end of the process."""
    began = time.monotonic()
    await product.stack.stop(name)
    return time.monotonic() - began


@pytest.mark.row(
    "F29", promise="every service told to end does so cleanly within its grace, whatever its servers do"
)
@pytest.mark.timeout(240)
@pytest.mark.parametrize("servers", FAULTS)
async def test_every_service_told_to_end_does_so_cleanly_within_its_grace(
    servers: str,
    proxied: Proxied,
    api: Api,
    records: Records,
    topics: TopicProbe,
    figures: Figures,
    form: Form,
) -> None:
    product = proxied.product
    names = [service.name for service in product.services()]
    async with product.having("job-worker", SHUTDOWN_GRACE=WORKERS_GRACE):
        long = [await api.submit("sleep", {"seconds": 8}) for _ in range(4)]
        for job in long:
            await api.reach(job, "running", within=15)
        async with (
            Load(api, jobs=form.jobs, rate=form.rate(30), seed=form.seed) as load,
            product.events("/events"),
        ):
            await load.reached(0.6)
            FAULTS[servers](proxied)
            await asyncio.sleep(1)  # so that something hangs, if it is to hang
            took = dict(
                zip(names, await asyncio.gather(*(told_to_end(product, name) for name in names)), strict=True)
            )
            codes = {name: product.stack.part(name).process.exit_code for name in names}
            proxied.kafka.heal()
            proxied.mongo.heal()
            await product.heal()
            healed = time.monotonic()
            await load.done()
        await records.all_final([*load.jobs, *long], within=90)
        recovered = time.monotonic() - healed
        await at_rest(records, topics)
    counted = await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
    slowest = max(took, key=lambda name: took[name])
    figures(slowest=slowest, ended_after_s=took[slowest], recovery_s=recovered, **counted)
    assert codes == dict.fromkeys(names, 0), took
    if not servers.startswith("MongoDB"):
        assert counted["extra attempts"] == 0, "what did not finish was given back"


@pytest.mark.row(
    "F29", promise="a worker told to end while MongoDB is silent for two seconds consumes no attempt"
)
@pytest.mark.timeout(120)
async def test_workers_told_to_end_while_mongodb_is_silent_consume_no_attempt(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    servers = [part for part in product.stack.parts.values() if part.kind == "mongod"]
    workers = [service.name for service in product.services("job-worker")]
    async with product.having("job-worker", SHUTDOWN_GRACE=WORKERS_GRACE):
        long = [await api.submit("sleep", {"seconds": 8}) for _ in range(4)]
        for job in long:
            await api.reach(job, "running", within=15)
        async with Load(api, jobs=form.at_most(200), rate=100, seed=form.seed) as load:
            await load.reached(0.5)
            for server in servers:
                server.pause()
            ending = asyncio.gather(*(told_to_end(product, name) for name in workers))
            await asyncio.sleep(2.5)  # for longer than a batch may take to end
            for server in servers:
                server.resume()
            await ending
            codes = {name: product.stack.part(name).process.exit_code for name in workers}
            await product.heal()
            await load.done()
        await records.all_final([*load.jobs, *long], within=60)
        await at_rest(records, topics)
    counted = await check(product, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(**counted)
    assert codes == dict.fromkeys(workers, 0)
    assert counted["extra attempts"] == 0, "what was claimed in the silence was given back"


@pytest.mark.row("F29", promise="a second SIGTERM ends any service at once")
@pytest.mark.timeout(120)
async def test_the_second_signal_ends_a_service_at_once(
    proxied: Proxied, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    product = proxied.product
    jobs = [await api.submit("sleep", {"seconds": 6}) for _ in range(4)]
    for job in jobs:
        await api.reach(job, "running", within=15)
    for process in (processes := [service.process for service in product.services()]):
        process.signal(signal.SIGTERM)
    await asyncio.sleep(0.5)  # between the signals
    busy = [process for process in processes if process.alive]
    for process in busy:
        process.signal(signal.SIGTERM)
    began = time.monotonic()
    assert all([await process.ended(within=2) for process in busy])
    took = time.monotonic() - began
    assert [process for process in busy if process.name.startswith("job-worker")], "they had something to do"
    await product.heal()
    await records.all_final(jobs, within=60)
    await at_rest(records, topics)
    counted = await check(product, api.history, records=records, topics=topics)
    figures(at_once=len(busy), ended_after_s=took, **counted)

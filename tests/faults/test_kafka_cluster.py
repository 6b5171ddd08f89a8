"""Three brokers that lose their leader, or two of themselves."""

import asyncio
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from job_contracts.topics import Topic
from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.waiting import until


async def leader_of_jobs(product: Product) -> str:
    """The name of the broker that leads the first partition of `jobs`."""

    async def look() -> str:
        admin = AIOKafkaAdminClient(bootstrap_servers=product.stack.bootstrap_servers)
        try:
            async with asyncio.timeout(10):
                await admin.start()
                (topic,) = await admin.describe_topics([str(Topic.JOBS)])
        except (KafkaError, TimeoutError) as error:
            raise AssertionError(f"no broker says: {error}") from error
        finally:
            await admin.close()
        first = min(topic["partitions"], key=lambda partition: partition["partition"])
        assert first["leader"] > 0, "it has no leader"
        return f"kafka-{first['leader']}"

    return await until(look, within=60, what="a leader of the topic jobs", every=0.3)


@pytest.mark.row(
    "F11", promise="when the leading broker dies jobs go on within a minute, and none is lost", telling=True
)
@pytest.mark.timeout(400)
async def test_jobs_go_on_when_the_leading_broker_dies(
    cluster: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    rounds = int(form.of(1, 3, 5))
    stalls = []
    async with cluster.events("/events", again=True) as page:
        async with Load(api, jobs=form.jobs, rate=form.rate(20), seed=form.seed) as load:
            for turn in range(rounds):
                await load.reached((turn + 0.3) / (rounds + 1))
                victim = await leader_of_jobs(cluster)
                await cluster.stack.kill(victim)
                killed = time.monotonic()
                await api.finish(await api.submit_surely("noop"), within=60)
                stalls.append(time.monotonic() - killed)
                await cluster.stack.start(victim)
            healed = time.monotonic()
            await load.done()
        await records.all_final(load.jobs, within=90)
        recovered = time.monotonic() - healed
        await at_rest(records, topics)
        await load.seen_by(page)
    counted = await check(
        cluster, api.history, records=records, topics=topics, events=page, must_fail=load.doomed
    )
    figures(leaders_killed=rounds, went_on_after_s=max(stalls), recovery_s=recovered, **counted)
    assert counted["extra attempts"] == 0


@pytest.mark.row(
    "F12", promise="with too few replicas nothing is published, POST goes on, and all finish later"
)
@pytest.mark.timeout(300)
async def test_with_too_few_replicas_posts_go_on_and_all_finish_later(
    cluster: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    lasts, gone = form.of(12, 30, 60), cluster.names("kafka")[1:]
    before = await topics.ends(Topic.JOBS)
    await asyncio.gather(*(cluster.stack.kill(name) for name in gone))
    async with Load(api, jobs=form.jobs, rate=form.jobs / lasts, seed=form.seed) as load:
        await load.done()
    await asyncio.gather(*(cluster.stack.start(name) for name in gone))
    healed = time.monotonic()
    await records.all_final(load.jobs, within=120)
    recovered = time.monotonic() - healed
    await at_rest(records, topics)
    assert sum((await topics.ends(Topic.JOBS)).values()) - sum(before.values()) >= len(load.jobs)
    counted = await check(cluster, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(brokers_gone=len(gone), post_p99_s=load.quantile(0.99), recovery_s=recovered, **counted)
    assert load.errors == {}, "every POST is accepted at once"
    assert load.quantile(0.99) < 3
    assert counted["extra attempts"] == 0

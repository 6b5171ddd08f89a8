"""More replicas of each service, without a restart: work is shared, nothing is lost, streams stay exact."""

from collections import Counter

from tests.compose.containers import Containers
from tests.compose.verdict import judge
from tests.support.load import Load


async def test_replicas_of_every_service_share_the_work_under_load(stack: Containers) -> None:
    async with (
        stack.api(timeout=20) as api,
        await stack.records() as records,
        stack.events("/events", again=True) as page,
        Load(api, jobs=1500, rate=60) as load,
    ):
        await load.reached(0.1)
        await stack.scale(job_worker=4, result_worker=2, dlq_worker=2, api=2)
        await load.reached(0.5)
        jobs = await load.done()
        counted = await judge(load, api, records, page)
        stored = await records.jobs(jobs)
        workers = Counter(
            attempt["worker"] for record in stored.values() for attempt in record.get("attempts", [])
        )
        assert len(workers) >= 4, f"some workers ran nothing: {workers}"
        print(f"shared by {len(workers)} workers: {sorted(workers.values())}; {counted}")
        for service, count in (("result-worker", 2), ("dlq-worker", 2), ("api", 2)):
            taken = [await _taken(stack, one) for one in await stack.ids(service)]
            assert len(taken) == count
            assert all(taken), f"one {service} has taken nothing: {taken}"
        # And back again, under load as well.
        async with Load(api, jobs=400, rate=40, seed=1) as second:
            await second.reached(0.2)
            await stack.scale(job_worker=1, result_worker=1, dlq_worker=1, api=1)
            await second.done()
            await judge(second, api, records, page)


async def _taken(stack: Containers, container: str) -> float:
    """Messages a replica has taken from Kafka."""
    source = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
    code, told = await stack.execute(container, "python", "-c", source)
    assert code == 0, told
    lines = [line for line in told.splitlines() if line.startswith("messages_consumed_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)

"""More replicas of each service, without a restart: work is shared, nothing is lost, streams stay exact."""

from tests.compose.containers import Containers
from tests.compose.verdict import judge
from tests.support.load import Load

_MANY = {"job-worker": 4, "result-worker": 2, "dlq-worker": 2, "api": 2}


async def test_replicas_of_every_service_share_the_work_under_load(stack: Containers) -> None:
    async with (
        stack.api(timeout=20) as api,
        await stack.records() as records,
        stack.events("/events", again=True) as page,
    ):
        async with Load(api, jobs=300, rate=20) as growing:
            await growing.reached(0.1)
            await stack.scale(job_worker=4, result_worker=2, dlq_worker=2, api=2)
            await growing.done()
            print("growing:", await judge(growing, api, records, page))
        before = {service: await _taken(stack, service) for service in _MANY}
        async with Load(api, jobs=400, rate=20, seed=1) as shared:
            await shared.done()
            print("shared:", await judge(shared, api, records, page))
        for service, count in _MANY.items():
            after = await _taken(stack, service)
            taken = {name: after[name] - before[service].get(name, 0) for name in after}
            print(service, sorted(taken.values()))
            assert len(taken) == count
            assert min(taken.values()) > 0, f"one {service} has taken nothing: {taken}"
        async with Load(api, jobs=300, rate=20, seed=2) as shrinking:
            await shrinking.reached(0.1)
            await stack.scale(job_worker=1, result_worker=1, dlq_worker=1, api=1)
            await shrinking.done()
            print("shrinking:", await judge(shrinking, api, records, page))


async def _taken(stack: Containers, service: str) -> dict[str, float]:
    """Messages each replica has taken from Kafka."""
    source = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
    taken = {}
    for container in await stack.ids(service):
        code, told = await stack.execute(container, "python", "-c", source)
        assert code == 0, told
        lines = [line for line in told.splitlines() if line.startswith("messages_consumed_total{")]
        taken[container] = sum(float(line.rpartition(" ")[2]) for line in lines)
    return taken

"""An old primary that clients still reach and its majority does not: two primaries for a moment, one truth."""

import asyncio
import time

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from jobstream_local.ports import LOOPBACK
from tests.faults.conftest import Form
from tests.faults.test_mongo_cluster import WRITES_GO_ON, primary
from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load
from tests.support.partition import links
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe


class Primaries:
    """Looks all the time at who takes writes."""

    def __init__(self, product: Product) -> None:
        self._ports = {name: product.stack.part(name).ports["mongodb"] for name in product.names("mongod")}
        self.seen: list[tuple[float, frozenset[str]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Primaries":
        self._looking = asyncio.create_task(self._look(), name="primaries")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._looking
        self._looking.cancel()

    async def _look(self) -> None:
        clients = {
            name: AsyncMongoClient[dict[str, object]](LOOPBACK, port, directConnection=True)
            for name, port in self._ports.items()
        }

        async def takes_writes(name: str) -> str | None:
            try:
                return name if (await clients[name].admin.command("hello"))["isWritablePrimary"] else None
            except PyMongoError:
                return None

        try:
            while True:
                found = await asyncio.gather(*map(takes_writes, clients))
                self.seen.append((time.monotonic(), frozenset(name for name in found if name)))
                await asyncio.sleep(0.02)
        finally:
            await asyncio.gather(*(client.close() for client in clients.values()))

    def two(self) -> float:
        """Seconds during which two took writes."""
        steps = zip(self.seen, self.seen[1:], strict=False)
        return sum(after - at for (at, names), (after, _) in steps if len(names) > 1)

    def after(self, name: str) -> set[str]:
        """Who else was primary."""
        return {other for _, names in self.seen for other in names} - {name}


@pytest.mark.row("F18", promise="a primary cut off from its majority: writes go on within 12 s, none is lost")
@pytest.mark.timeout(300)
async def test_writes_go_on_beside_a_primary_that_is_cut_off_from_its_majority(
    trio: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    with links(trio) as between:
        async with (
            Primaries(trio) as primaries,
            # No faster in a soak: each POST that is refused comes again at once, and the members hear each other
            # through proxies in this process.
            Load(api, jobs=form.jobs, rate=form.of(6, 20), seed=form.seed) as load,
        ):
            await load.reached(0.3)
            stale = await primary(trio)
            between.isolate(stale)
            cut = time.monotonic()
            silences = []
            while time.monotonic() < cut + form.of(8, 15, 60):  # the length of the partition
                began = time.monotonic()
                await api.submit_surely("noop", within=60)
                silences.append(time.monotonic() - began)
                await asyncio.sleep(0.2)  # the rate of these posts
            for hop in between.hops.values():
                hop.heal()
            healed = time.monotonic()
            await load.done()
        jobs = [post.job for post in api.history if post.job]
        await records.all_final(jobs, within=90)
        recovered = time.monotonic() - healed
        await topics.drained(within=40)
        counted = await check(trio, api.history, records=records, topics=topics, must_fail=load.doomed)
    figures(
        writes_went_on_after_s=max(silences), two_primaries_s=primaries.two(), recovery_s=recovered, **counted
    )
    assert primaries.after(stale), "the others elect one of theirs"
    assert max(silences) < 2 * WRITES_GO_ON
    assert counted["extra attempts"] == 0

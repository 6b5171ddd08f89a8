"""The stage of the fault rows: one product at a time on servers of its own, healed before each row and after it.

A row is a test with `@pytest.mark.row("F9", promise="…")`. In `make test` only rows with
`telling=True` run, in their short form; `make faults` runs all of them, `make soak` those that have a length.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from jobstream_local.ports import free_port
from jobstream_local.stack import Replicas
from tests.support.api import Api
from tests.support.hops import Hop, Hops
from tests.support.product import Product
from tests.support.records import Records
from tests.support.rows import marks
from tests.support.topics import TopicProbe

JOBS: Final = {"short": 60, "faults": 500, "soak": 2_000}


@dataclass(frozen=True, slots=True)
class Form:
    """How thorough a run is."""

    name: str
    seed: int

    @property
    def jobs(self) -> int:
        """Jobs of a row."""
        return JOBS[self.name]

    def at_most(self, jobs: int) -> int:
        """Jobs of a row that takes no more: because they must all run at once, or each is dear."""
        return min(self.jobs, jobs)

    def of(self, short: float, faults: float, soak: float | None = None) -> float:
        """The number that belongs to this form, such as the seconds of an outage."""
        return {"short": short, "faults": faults, "soak": faults if soak is None else soak}[self.name]

    def rate(self, usual: float) -> float:
        """POSTs a second: more jobs at a higher rate test more in hardly more time."""
        return max(usual, 50) if self.name == "soak" else usual

    def draw(self, row: str) -> random.Random:
        """Random numbers of a row, the same for the same seed."""
        return random.Random(f"{row} {self.seed}")


@pytest.fixture(scope="session")
def form(request: pytest.FixtureRequest) -> Form:
    return Form(request.config.getoption("--form") or "short", request.config.getoption("--seed"))


@dataclass(slots=True)
class Proxied:
    """A product whose services reach Kafka and MongoDB through proxies alone."""

    product: Product
    kafka: Hop
    mongo: Hop


class Stage:
    """Where one product stands at a time: memory and two cores hold no more."""

    def __init__(self, home: Callable[[str], Path]) -> None:
        self._home = home
        self._kind = ""
        self._product: Product | None = None
        self._hops: Hops | None = None
        self.proxied: Proxied | None = None

    def product(self, kind: str) -> Product:
        """The product of this kind, up and whole; that of another kind is ended first."""
        if kind != self._kind or self._product is None:
            self.clear()
            self._kind, self._product = kind, _KINDS[kind](self)
            self._product.up()
        asyncio.run(self._product.heal())
        return self._product

    def clear(self) -> None:
        product, self._product = self._product, None
        if product is not None:
            product.down()
        hops, self._hops, self.proxied = self._hops, None, None
        if hops is not None:
            hops.__exit__()

    def _one(self) -> Product:
        return Product(self._home("one"), replicas=Replicas(job_worker=2))

    def _cluster(self) -> Product:
        return Product(self._home("cluster"), replicas=Replicas(job_worker=2, kafka=3))

    def _trio(self) -> Product:
        return Product(self._home("trio"), replicas=Replicas(job_worker=2, mongod=3))

    def _replicas(self) -> Product:
        return Product(
            self._home("replicas"), replicas=Replicas(api=2, job_worker=2, result_worker=2, dlq_worker=2)
        )

    def _behind_proxies(self, replicas: Replicas | None = None) -> Product:
        self._hops = hops = Hops().__enter__()
        product = Product(
            self._home("proxied"),
            replicas=replicas or Replicas(job_worker=2),
            kafka_advertised=(kafka := free_port()),
            mongo_advertised=(mongo := free_port()),
        )
        self.proxied = Proxied(
            product,
            hops.open(product.stack.part("kafka").ports["kafka"], port=kafka),
            hops.open(product.stack.part("mongod").ports["mongodb"], port=mongo),
        )
        return product

    def _apis_behind_proxies(self) -> Product:
        return self._behind_proxies(Replicas(api=2))


_KINDS: Final[Mapping[str, Callable[[Stage], Product]]] = {
    "product": Stage._one,
    "cluster": Stage._cluster,
    "trio": Stage._trio,
    "proxied": Stage._behind_proxies,
    "proxied_apis": Stage._apis_behind_proxies,
    "replicas": Stage._replicas,
}
"""Kinds of products by the fixture that asks for one."""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp)
    yield stage
    stage.clear()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the rows that are for `make faults`; bring those that share a product together."""
    here = Path(__file__).parent
    rows = [item for item in items if item.path.is_relative_to(here)]
    wanted, form = config.getoption("--row"), config.getoption("--form")
    left_out = [item for item in rows if not _is_asked_for(item, form, wanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        rows = [item for item in rows if item not in left_out]
    if form == "soak":
        for item in rows:
            timeout = item.get_closest_marker("timeout")
            item.add_marker(pytest.mark.timeout(4 * (timeout.args[0] if timeout else 120)), append=False)
    order = [*_KINDS, ""]
    rows.sort(key=lambda item: order.index(_kind(getattr(item, "fixturenames", []))))
    others = [item for item in items if item not in set(rows)]
    items[:] = [*others, *rows]


def _is_asked_for(item: pytest.Item, form: str | None, wanted: list[str] | None) -> bool:
    of_item = [*marks(item)]
    if wanted is not None:
        return any(row in wanted for row, _, _ in of_item)
    if form == "soak" and "form" not in getattr(item, "fixturenames", []):
        return False  # without a length it is the very test that the other forms play
    return form is not None or not of_item or any(telling for _, _, telling in of_item)


def _kind(fixtures: Sequence[str]) -> str:
    """The kind of product that a test asks for, if any; one that names none has the plain one."""
    return next((kind for kind in _KINDS if kind in fixtures), "product" if "staged" in fixtures else "")


@pytest.fixture
def product(stage: Stage) -> Iterator[Product]:
    """One broker, one MongoDB, two job-workers; what the row before has left broken is mended first."""
    yield (product := stage.product("product"))
    asyncio.run(product.heal())


@pytest.fixture
def cluster(stage: Stage) -> Iterator[Product]:
    """Three brokers, one MongoDB."""
    yield (product := stage.product("cluster"))
    asyncio.run(product.heal())


@pytest.fixture
def trio(stage: Stage) -> Iterator[Product]:
    """One broker, three members of MongoDB."""
    yield (product := stage.product("trio"))
    asyncio.run(product.heal())


@pytest.fixture
def proxied(stage: Stage) -> Iterator[Proxied]:
    """One broker and one MongoDB, each behind a proxy."""
    yield from _proxied(stage, "proxied")


@pytest.fixture
def proxied_apis(stage: Stage) -> Iterator[Proxied]:
    """The same with two replicas of the api."""
    yield from _proxied(stage, "proxied_apis")


def _proxied(stage: Stage, kind: str) -> Iterator[Proxied]:
    product = stage.product(kind)
    assert stage.proxied is not None
    yield stage.proxied
    stage.proxied.kafka.heal()
    stage.proxied.mongo.heal()
    asyncio.run(product.heal())


@pytest.fixture
def replicas(stage: Stage) -> Iterator[Product]:
    """Two of every service."""
    yield (product := stage.product("replicas"))
    asyncio.run(product.heal())


@pytest.fixture
def staged(request: pytest.FixtureRequest) -> Product:
    """The product of the row, whatever its kind."""
    found = request.getfixturevalue(_kind(request.fixturenames))
    product: Product = found.product if isinstance(found, Proxied) else found
    return product


@pytest.fixture
async def api(staged: Product) -> AsyncIterator[Api]:
    async with staged.api() as api:
        yield api


@pytest.fixture
async def records(staged: Product) -> AsyncIterator[Records]:
    """The truth, and its history since the row began."""
    async with staged.records() as records:
        yield records


@pytest.fixture
async def topics(staged: Product) -> AsyncIterator[TopicProbe]:
    """The topics since the row began."""
    async with staged.topics() as topics:
        yield topics

"""One broken task never costs the worker: what cannot be loaded or opened is said and tried again."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from job_worker.availability import Availability
from job_worker.catalogue import Catalogue
from job_worker.moving import Moving
from job_worker.tasks import Task, TaskEnvironment
from job_worker.tasks.noop import noop
from job_worker.tasks.registry import GROUP, Installed, installed_tasks, load_all
from service_chassis.backoff import Backoff
from service_chassis.metrics import Metrics
from tests.support.waiting import until_true

SOON = timedelta(seconds=0.2)


def available(installed: Installed, within: timedelta = SOON) -> Availability:
    return Availability(
        installed,
        TaskEnvironment(collection=lambda _: None, now=lambda: datetime.now(UTC), upstreams=None),  # type: ignore[arg-type]
        within=within,
        now=lambda: datetime.now(UTC),
        metrics=Metrics(),
        backoff=Backoff(first=timedelta(milliseconds=20), cap=timedelta(milliseconds=50)),
    )


def installed(**resources: Callable[[TaskEnvironment], Any]) -> Installed:
    tasks = {name: replace(noop, name=name, resources=opens) for name, opens in resources.items()}
    return Installed(tasks={"noop": noop, **tasks})


class Service:
    """What a task opens: goes wrong as often as it is told to."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.opened = self.closed = 0

    @asynccontextmanager
    async def open(self, _: TaskEnvironment) -> AsyncIterator[str]:
        if self.failures:
            raise self.failures.pop(0)
        self.opened += 1
        opener = asyncio.current_task()
        yield "a client"
        assert asyncio.current_task() is opener, "as some libraries ask for"
        self.closed += 1


async def _hang(_: TaskEnvironment) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def hangs(_: TaskEnvironment) -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


@asynccontextmanager
async def hangs_and_will_not_be_cancelled(_: TaskEnvironment) -> AsyncIterator[None]:
    for _n in range(5):
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            continue
    yield


@asynccontextmanager
async def blocks(_: TaskEnvironment) -> AsyncIterator[None]:
    time.sleep(30)  # noqa: ASYNC251  the very thing a careless task does
    yield


def is_no_context(_: TaskEnvironment) -> None:
    """As a function that was forgotten to be decorated."""


def exits(_: TaskEnvironment) -> None:
    sys.exit(3)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (Service(*[ValueError("no key \ud800")] * 99).open, "ValueError: no key ?"),
        (Service(*[asyncio.CancelledError()] * 99).open, "CancelledError"),
        (exits, "SystemExit: 3"),
        (is_no_context, "AttributeError"),
        (hangs, "0.2 s"),
        (hangs_and_will_not_be_cancelled, "not opened within 0.2 s"),
        (blocks, "blocked the event loop"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
async def test_a_task_whose_resources_do_not_open_is_unavailable_alone(broken: Any, says: str) -> None:
    well = Service()
    async with available(installed(bad=broken, good=well.open)) as availability:
        assert set(availability.tasks) == {"noop", "good"}
        assert availability.opened["good"] == "a client"
        (told,) = availability.unavailable()
        assert told["task"] == "bad"
        assert says in told["error"]
        assert not availability.check().ok
    assert well.closed == 1


async def test_an_unavailable_task_is_there_as_soon_as_its_resources_open() -> None:
    service = Service(ValueError("not yet"), ValueError("not yet"), ValueError("not yet"))
    async with available(installed(late=service.open)) as availability:
        assert "late" not in availability.tasks
        await until_true(lambda: "late" in availability.tasks, within=5, what="the task")
        assert availability.opened["late"] == "a client"
        assert availability.unavailable() == []
        assert availability.check().ok
    assert service.closed == 1


async def test_equal_resources_are_opened_once_and_shared() -> None:
    service = Service()
    async with available(installed(one=service.open, two=service.open)) as availability:
        assert set(availability.tasks) == {"noop", "one", "two"}
    assert (service.opened, service.closed) == (1, 1)


def point(value: str, name: str = "entry") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)

    return write


NOOP = point("job_worker.tasks.noop:noop", "noop")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ValueError('broken \\ud800')", "ValueError"),
        ("import does_not_exist", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("import sys; sys.exit(4)", "SystemExit: 4"),
        ("import time; time.sleep(30)", "longer than 0.2 s"),
        ("while True: pass", "longer than 0.2 s"),
        ("task = 1", "is no task"),
        ("other = 1", "AttributeError"),
        (
            "from job_worker.tasks.noop import noop\nfrom dataclasses import replace\n"
            "task = replace(noop, payload=int)",
            "AttributeError",
        ),
    ],
)
def test_a_package_that_cannot_be_loaded_is_broken_alone(
    package: Callable[[str, str], None], source: str, says: str
) -> None:
    name = f"broken_{abs(hash(source))}"
    package(name, source)
    found = load_all([point(f"{name}:task", "bad"), NOOP], SOON)
    assert set(found.tasks) == {"noop"}
    assert says in found.broken["bad"][1]
    found.broken["bad"][1].encode()


def test_two_tasks_of_one_name_are_both_refused_and_named(package: Callable[[str, str], None]) -> None:
    package("first_package", "from job_worker.tasks.sleep import sleep\n")
    package(
        "second_package",
        "from dataclasses import replace\nfrom job_worker.tasks.noop import noop\n"
        "other = replace(noop, name='sleep')\n",
    )
    found = load_all([NOOP, point("first_package:sleep"), point("second_package:other")], SOON)
    assert set(found.tasks) == {"noop"}
    assert (
        found.refused["sleep"] == "two tasks are called 'sleep': first_package:sleep and second_package:other"
    )


def test_one_task_that_two_packages_name_is_one(package: Callable[[str, str], None]) -> None:
    package("again_package", "from job_worker.tasks.noop import noop\n")
    assert set(load_all([NOOP, point("again_package:noop")], SOON).tasks) == {"noop"}


def test_a_package_whose_metadata_cannot_be_read_hides_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bad-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[jobstream.tasks]\nthis is no entry point\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "noop" in installed_tasks(timedelta(seconds=30)).tasks


async def test_a_package_that_can_be_imported_later_is_there_then(
    package: Callable[[str, str], None],
) -> None:
    package("late_package", "raise OSError('not mounted yet')")
    found = load_all([point("late_package:noop", "late")], SOON)
    published: list[str] = []
    availability = available(found, timedelta(seconds=5))
    availability.loaded = lambda task: published.append(task.name)
    async with availability:
        assert availability.unavailable()[0]["task"] == "late"
        package("late_package", "from job_worker.tasks.noop import noop  # and it is longer now\n")
        await until_true(lambda: "noop" in availability.tasks, within=10, what="the task")
        assert availability.unavailable() == []
    assert published == ["noop"]


class Entries:
    """Stores entries of the catalogue but for one that MongoDB cannot."""

    def __init__(self) -> None:
        self.stored: set[str] = set()

    async def publish_catalogue(self, entries: Sequence[dict[str, Any]]) -> None:
        str([entry["description"] for entry in entries]).encode()
        for entry in entries:
            entry["description"].encode()
        self.stored |= {entry["_id"] for entry in entries}


async def test_a_task_that_cannot_be_described_keeps_no_other_from_the_catalogue() -> None:
    store = Entries()
    moving = Moving(store=None, publisher=None, pause=asyncio.sleep)  # type: ignore[arg-type]
    catalogue = Catalogue(store=store, moving=moving)
    tasks: list[Task] = [
        replace(noop, name=f"t{n}", description="\ud800" if n == 3 else "") for n in range(7)
    ]
    for task in tasks:
        catalogue.add(task)
    async with catalogue:
        await until_true(lambda: catalogue.check().ok, within=2, what="the catalogue")
    assert store.stored == {f"t{n}" for n in range(7) if n != 3}

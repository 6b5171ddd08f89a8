"""What holds for every test: its marker is its folder, its figures are shown at the end."""

import asyncio
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from jobstream_local.stack import Ports, Replicas, Stack
from tests.support import figures as _figures
from tests.support import rows as _rows
from tests.support.browser import chromium  # noqa: F401  a fixture
from tests.support.figures import figures  # noqa: F401  a fixture
from tests.support.person import person  # noqa: F401  a fixture
from tests.support.product import Servers, asked_for

_TESTS = Path(__file__).parent

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("jobstream", deadline=None)
hypothesis.settings.load_profile("jobstream")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--form", choices=["short", "faults", "soak"], help="run all fault rows, in this form")
    group.addoption("--seed", type=int, default=1, help="what the fault rows draw their random numbers from")
    group.addoption(
        "--row", action="append", help="run this row of the matrix alone, such as F9; may be repeated"
    )


def pytest_report_header(config: pytest.Config) -> str:
    form, seed = config.getoption("--form") or "short, telling rows alone", config.getoption("--seed")
    return f"fault rows: form {form}, seed {seed}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_TESTS):
            folder = item.path.relative_to(_TESTS).parts[0]
            # What the drivers of the tests promise in their docstrings is decided without any server.
            item.add_marker(getattr(pytest.mark, "unit" if folder == "support" else folder))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _rows.note(item, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    _rows.write(session.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    _figures.show(config, terminalreporter)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One Kafka, its topics in place, and one MongoDB for the whole run."""
    with ExitStack() as running:
        kafka, mongo = _addresses(running)
        stack = Stack(
            tmp_path_factory.mktemp("servers"),
            ports=Ports.free(),
            replicas=Replicas.none(),
            bootstrap_servers=kafka,
            mongo_uri=mongo,
        )
        try:
            asyncio.run(stack.up_servers())
            asyncio.run(stack.set_up())
            yield Servers(stack.bootstrap_servers, stack.mongo_uri)
        finally:
            asyncio.run(stack.down())


def _addresses(running: ExitStack) -> tuple[str | None, str | None]:
    """Where Kafka and MongoDB are; None for those that are to be started from packages."""
    match asked_for():
        case "containers":
            from tests.support import containers

            return running.enter_context(containers.kafka()), running.enter_context(containers.mongo())
        case "external":
            names = ("KAFKA__BOOTSTRAP_SERVERS", "MONGO__URI")
            if missing := [name for name in names if not os.environ.get(name)]:
                pytest.exit(f"TEST_SERVERS=external needs {' and '.join(missing)}", returncode=4)
            return os.environ[names[0]], os.environ[names[1]]
        case _:
            return None, None

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from jobstream_local.part import NotReadyError, Part
from jobstream_local.supervisor import Supervisor


class Sleeper(Part):
    """A part that is ready as long as it runs."""

    def __init__(self, home: Path, command: Sequence[str] = ("sleep", "60")) -> None:
        super().__init__("sleeper", kind="sleeper", home=home, ports={"none": 1}, grace=5)
        self._command = command

    def command(self) -> Sequence[str]:
        return self._command

    def environ(self) -> Mapping[str, str]:
        return os.environ

    async def ready(self) -> bool:
        return self.process.alive


class Stillborn(Sleeper):
    """A part that is never ready."""

    async def ready(self) -> bool:
        return False


def until(condition: Callable[[], bool], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Sleeper]:
    part = Sleeper(tmp_path)
    yield part
    part.process.signal(signal.SIGKILL)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(part: Sleeper, told: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor([part], told.append)
    yield supervisor
    supervisor.end()


async def test_a_part_that_died_is_started_again(
    part: Sleeper, supervisor: Supervisor, told: list[str]
) -> None:
    await part.start()
    supervisor.on = True
    await part.kill()
    await part.wait_ready(within=10)
    assert part.process.starts == 2
    assert told == ["sleeper ended with exit code -9; starting it again in 0.5 s"]


async def test_each_death_in_a_row_makes_the_wait_longer(
    part: Sleeper, supervisor: Supervisor, told: list[str]
) -> None:
    await part.start()
    supervisor.on = True
    for _ in range(2):
        await part.kill()
        await part.wait_ready(within=10)
    assert [line.rsplit(" ", 2)[1] for line in told] == ["0.5", "1"]


async def test_a_part_that_was_stopped_on_purpose_stays_down(
    part: Sleeper, supervisor: Supervisor, told: list[str]
) -> None:
    await part.start()
    supervisor.on = True
    await part.stop()
    other = time.monotonic() + 0.5
    until(lambda: time.monotonic() > other)
    assert not part.process.alive
    assert told == []


async def test_switched_off_it_brings_nobody_back(part: Sleeper, supervisor: Supervisor) -> None:
    await part.start()
    supervisor.on = True
    supervisor.on = False
    await part.kill()
    with pytest.raises(NotReadyError, match="sleeper ended with exit code -9"):
        await part.wait_ready(within=5)


async def test_the_complaint_about_a_part_shows_the_end_of_its_log(tmp_path: Path) -> None:
    part = Stillborn(tmp_path, ["sh", "-c", "echo no such thing; exit 3"])
    with pytest.raises(
        NotReadyError, match=r"(?s)ended with exit code 3; its log: .*sleeper\.log.*no such thing"
    ):
        await part.start()

"""A process that dies where it was told to, and nowhere else."""

import signal
import subprocess
import sys

import pytest
from pydantic import ValidationError

from service_chassis import failpoints
from service_chassis.settings import ServiceSettings

_THREE_ROUNDS = """
import logging, sys
from service_chassis import failpoints
logging.basicConfig()
failpoints.arm(sys.argv[1])
for round in range(3):
    for place in ("after_insert", "after_publish"):
        if failpoints.ON:
            failpoints.hit(place)
        print(place, round, flush=True)
"""


def three_rounds(setting: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _THREE_ROUNDS, setting],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("setting", "steps"),
    [("after_insert", 0), ("after_publish", 1), ("after_insert:3", 4), ("after_publish:2", 3)],
)
def test_a_process_dies_at_the_armed_place_when_its_time_has_come(setting: str, steps: int) -> None:
    done = three_rounds(setting)
    assert done.returncode == -signal.SIGKILL
    assert len(done.stdout.splitlines()) == steps
    assert "failpoint.armed" in done.stderr
    assert "failpoint.died" in done.stderr, "it says so loudly"


@pytest.mark.parametrize("setting", ["", "elsewhere", "after_insert:4"])
def test_a_process_that_never_comes_there_lives_on(setting: str) -> None:
    done = three_rounds(setting)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 6)
    assert ("armed" in done.stderr) == bool(setting)


def test_nothing_is_armed_by_itself() -> None:
    assert not failpoints.ON
    assert ServiceSettings.model_fields["failpoint"].default == ""


@pytest.mark.parametrize("setting", ["After", "after_insert:0", "after insert", ":1"])
def test_a_setting_that_names_no_place_is_refused(setting: str) -> None:
    with pytest.raises(ValidationError):
        ServiceSettings(failpoint=setting)

"""A task that blocks the loop is found, and named by the line it stands at."""

import logging
import threading
import time

import pytest

from job_worker.lease import Lease
from job_worker.settings import WorkerSettings
from job_worker.slots import Slots
from service_chassis.settings import MongoSettings


def _blocks_for(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def test_a_blocked_loop_is_named_by_the_line_it_stands_at(caplog: pytest.LogCaptureFixture) -> None:
    lease = Lease(
        MongoSettings(),
        WorkerSettings(),
        tasks=lambda: ["slow"],
        unavailable=list,
        slots=Slots(1),
        partitions=list,
        running=lambda: ["slow"],
    )
    lease._watch_loop()
    assert lease.blocked_looks == 0, "it has just had a turn"
    lease._ticked -= 5
    lease._stop.set()
    with caplog.at_level(logging.WARNING):
        looks = threading.Timer(0.1, lease._watch_loop)
        looks.start()
        _blocks_for(1)
        looks.join()
    assert lease.blocked_looks == 1
    (record,) = [r for r in caplog.records if r.message == "loop.blocked"]
    assert any("_blocks_for" in line for line in record.__dict__["where"])
    assert record.__dict__["tasks"] == ["slow"]

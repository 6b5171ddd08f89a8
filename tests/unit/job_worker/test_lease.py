"""The thread of the lease: whatever goes wrong in it is told, and it goes on."""

from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest
from pymongo.errors import AutoReconnect

from job_worker import lease as module
from job_worker.lease import Lease
from job_worker.settings import WorkerSettings
from job_worker.slots import Slots
from service_chassis.settings import MongoSettings
from tests.support.waiting import until_true


@pytest.mark.parametrize(
    "failures",
    [
        [AutoReconnect("gone")],
        [RuntimeError("can't start new thread"), MemoryError(), KeyError("a bug")],
    ],
    ids=["outage", "anything"],
)
async def test_whatever_keeps_the_lease_from_being_renewed_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, failures: list[Exception]
) -> None:
    client = MagicMock()
    workers = client.__getitem__.return_value.get_collection.return_value
    workers.find.return_value = []
    left = list(failures)

    def connect(_: MongoSettings) -> Any:
        if left:
            raise left.pop(0)
        return client

    monkeypatch.setattr(module, "_connect", connect)
    lease = Lease(
        MongoSettings(),
        WorkerSettings(renew_every=timedelta(seconds=0.1)),
        tasks=lambda: ["noop"],
        unavailable=list,
        slots=Slots(7),
        partitions=list,
        running=list,
    )
    async with lease:
        await until_true(
            lambda: type(failures[-1]).__name__ in lease.check().reason, within=5, what="the error to be told"
        )
        assert not lease.check().ok
        await until_true(lambda: lease.check().ok, within=5, what="the lease")
        lease._partitions = MagicMock(side_effect=[ValueError("not now"), []])
        await until_true(lambda: "not now" in lease.check().reason, within=5, what="the error to be told")
        await until_true(lambda: lease.check().reason == "held", within=5, what="the next renewal")

"""Clients that do not end when they are told to hold nobody up."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from aiokafka.errors import KafkaConnectionError

from service_chassis.ending import end_within

SOON = timedelta(milliseconds=50)


async def well() -> None:
    await asyncio.sleep(0)


async def swallow(ends: asyncio.Event) -> None:
    """Wait for what never comes, as aiokafka does for its own tasks."""
    while not ends.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await ends.wait()


async def refuse() -> None:
    raise KafkaConnectionError("nobody there")


async def test_what_ends_is_waited_for() -> None:
    assert await end_within(well(), SOON, what="client")


async def test_what_swallows_a_cancellation_is_left_alone() -> None:
    ends = asyncio.Event()
    async with asyncio.timeout(5):
        assert not await end_within(swallow(ends), SOON, what="client")
    ends.set()


async def test_an_error_of_kafka_is_told_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    assert await end_within(refuse(), SOON, what="client")
    assert "kafka.not_ended_well" in caplog.text


async def test_any_other_error_is_raised() -> None:
    async def broken() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await end_within(broken(), SOON, what="client")


async def test_who_waits_may_be_cancelled() -> None:
    ends = asyncio.Event()
    waiting = asyncio.create_task(end_within(swallow(ends), timedelta(minutes=1), what="client"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
    ends.set()

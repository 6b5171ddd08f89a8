"""A producer that may come and go, and what Kafka will never take."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from service_chassis import publisher as module
from service_chassis.isolation import is_everyones
from service_chassis.metrics import Metrics
from service_chassis.publisher import MAX_REQUEST_BYTES, Outgoing, Publisher, PublishError, RefusedError
from service_chassis.settings import KafkaSettings
from tests.support.waiting import until, until_true


class Batch(list[bytes]):
    """A batch that has no room for more than a request may have."""

    def append(self, *, value: bytes, **_: Any) -> Any:  # type: ignore[override]
        if len(value) > MAX_REQUEST_BYTES:
            return None
        super().append(value)
        return value


class Producer:
    """Stands in for the library's: takes batches while its sender lives."""

    made: list["Producer"] = []  # noqa: RUF012

    def __init__(self, **_: Any) -> None:
        self.taken: list[bytes] = []
        self.answer: Exception | None = None
        self._closed = False
        self.client = SimpleNamespace(force_metadata_update=self._answered)
        Producer.made.append(self)

    async def start(self) -> None:
        self._sender = SimpleNamespace(sender_task=asyncio.create_task(asyncio.Event().wait()))

    async def stop(self) -> None:
        self._closed = True
        self._sender.sender_task.cancel()

    async def partitions_for(self, _: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, *_: Any, **__: Any) -> asyncio.Future[None]:
        if self._sender.sender_task.done():
            raise KafkaError("Unexpected error during batch delivery")
        answer = asyncio.get_running_loop().create_future()
        if self.answer is not None:
            answer.set_exception(self.answer)
        else:
            self.taken += batch
            answer.set_result(None)
        return answer

    async def _answered(self) -> bool:
        return True


@pytest.fixture
async def kafka(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Publisher]:
    Producer.made.clear()
    monkeypatch.setattr(module, "AIOKafkaProducer", Producer)
    monkeypatch.setattr(module, "pace_metadata", lambda _: None)
    async with Publisher(KafkaSettings(), client_id="test", metrics=Metrics()) as publisher:
        await publisher.ready()
        yield publisher


def message(size: int = 10) -> Outgoing:
    return Outgoing(b"key", b"x" * size, [])


async def publishes(kafka: Publisher) -> bool:
    try:
        await kafka.publish("jobs", [message()])
    except PublishError:
        return False
    return True


async def test_a_message_that_has_no_room_in_a_batch_is_refused_and_not_left_out(kafka: Publisher) -> None:
    with pytest.raises(RefusedError) as refused:
        await kafka.publish("jobs", [message(), message(MAX_REQUEST_BYTES + 1)])
    assert not is_everyones(refused.value)


async def test_what_the_broker_will_never_take_is_no_outage(kafka: Publisher) -> None:
    Producer.made[0].answer = MessageSizeTooLargeError()
    with pytest.raises(RefusedError):
        await kafka.publish("jobs", [message()])


async def test_a_producer_whose_sender_has_died_is_replaced_before_the_next_ping(kafka: Publisher) -> None:
    sender = Producer.made[0]._sender.sender_task
    sender.cancel()
    await asyncio.wait([sender])
    await until(lambda: publishes(kafka), within=2, what="another producer to publish")
    assert len(Producer.made) == 2
    assert Producer.made[0]._closed, "the old one is stopped"


async def test_a_producer_that_publishes_nothing_while_brokers_answer_is_replaced(kafka: Publisher) -> None:
    Producer.made[0].answer = KafkaError("for ever")
    await until(lambda: publishes(kafka), within=5, what="another producer to publish")
    assert len(Producer.made) == 2


async def test_whatever_goes_wrong_with_a_ping_contact_is_looked_for_again(kafka: Publisher) -> None:
    async def fail() -> bool:
        raise AssertionError("a bug of the library")

    Producer.made[0].client.force_metadata_update = fail
    Producer.made[0].answer = KafkaError("once")
    await publishes(kafka)
    await until_true(lambda: not kafka.check().ok, within=5, what="the error to be told")
    Producer.made[0].client.force_metadata_update = Producer.made[0]._answered
    await until_true(lambda: kafka.check().ok, within=10, what="contact to be found again")

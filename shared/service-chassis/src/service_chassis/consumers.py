"""The consumer under a subscription: it waits inside the poll, and asks what is wanted before each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from service_chassis.gathering import Gathering
from service_chassis.kafka import uninvited_ends_as_errors
from service_chassis.metadata import pace_metadata
from service_chassis.offsets import OffsetsError
from service_chassis.positions import Positions
from service_chassis.reading import read_past_what_is_broken

read_past_what_is_broken()

log = logging.getLogger(__name__)

_EACH: Final = timedelta(milliseconds=2)
_MOST: Final = timedelta(milliseconds=25)
_FREE: Final = 2
"""Messages for which nothing waits: at a hundred jobs a second a poll brings one or two."""

Demand = Callable[[], Awaitable[int]]
"""Waits until work is wanted and returns how many messages at most."""


class PatientConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Waits for messages inside the poll and asks for the wanted number before each.

    FastStream sleeps a whole batch timeout after an empty poll, which would delay the
    first message after a quiet time; so no poll comes back empty. While many messages come,
    they gather for a moment between two polls; not where half of what is wanted has come, or slots would be idle.
    """

    def __init__(self, *topics: str, ask: Demand, positions: Positions | None, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._ask = ask
        self._positions = positions
        self._gathering = Gathering(each=_EACH, most=_MOST)
        pace_metadata(self._client)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, **_: Any
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return at least one message and at most as many as are wanted now."""
        while True:
            await self._gathering.wait()
            wanted = await self._ask()
            if self._positions is not None and not self._positions.hold(self):
                await self._settle(self._positions)
                continue
            got: dict[TopicPartition, list[ConsumerRecord]] = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=wanted
            )
            if self._positions is not None:
                if not self._positions.hold(self):
                    continue  # It may come from where we never wanted to read: all of it is read again.
                self._positions.passed(got)
            if got:
                count = sum(map(len, got.values()))
                self._gathering.took(max(0, count - _FREE) if 2 * count <= wanted else 0)
                return got

    async def _settle(self, positions: Positions) -> None:
        try:
            with uninvited_ends_as_errors():
                await positions.settle(self)
        except (KafkaError, OffsetsError, OSError, TimeoutError) as error:
            log.info("kafka.not_settled", extra={"reason": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(0.5)

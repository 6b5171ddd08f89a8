"""A connection to Kafka with an administrator's rights, tried until the cluster is there."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from service_chassis.backoff import Backoff
from service_chassis.kafka import access
from service_chassis.settings import KafkaSettings

log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(minutes=2)
"""How long Kafka may take to appear: a whole cluster starts together with this step."""

_BACKOFF: Final = Backoff(first=timedelta(milliseconds=100), cap=timedelta(seconds=3))


class SetUpError(Exception):
    """What was declared could not be made; the message says why."""


async def with_admin(
    settings: KafkaSettings,
    work: Callable[[AIOKafkaAdminClient], Awaitable[None]],
    *,
    patience: timedelta = PATIENCE,
) -> None:
    """Do some work that may be done twice, again and again until Kafka lets it be done.

    Raises
    ------
    SetUpError
        Kafka did not appear within `patience`.
    """
    deadline = time.monotonic() + patience.total_seconds()
    failures = 0
    while True:
        try:
            async with _admin(settings) as admin:
                await work(admin)
            return
        except (KafkaError, OSError, TimeoutError) as error:
            failures += 1
            reason = f"{type(error).__name__} {error}".strip()
            if time.monotonic() > deadline:
                msg = f"gave up on Kafka at {settings.bootstrap_servers} after {patience}: {reason}"
                raise SetUpError(msg) from error
            log.info("setup.waiting", extra={"kafka": settings.bootstrap_servers, "reason": reason})
            await asyncio.sleep(_BACKOFF.wait(failures).total_seconds())


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(
        **access(settings),
        client_id="setup",
        request_timeout_ms=round(settings.request_timeout.total_seconds() * 1000),
    )
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()

"""Ending clients of Kafka without waiting for what may never come."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)


async def end_within(ending: Coroutine[Any, Any, Any], limit: timedelta, *, what: str) -> bool:
    """Let a client end, well or not, and leave it alone after so long; false if it may be alive.

    The client waits for a broker that is dead, and swallows a cancellation while it does
    (aiokafka awaits its own tasks so): a time-out around it would wait as well. So it runs
    as a task that nobody waits for any longer than this.
    """
    task = asyncio.create_task(ending, name=f"end {what}")
    try:
        await asyncio.wait({task}, timeout=limit.total_seconds())
    finally:
        task.cancel()  # Nothing, if it has ended.
    if not task.done():
        log.warning(
            "kafka.not_ended", extra={"what": what, "reason": f"not within {limit.total_seconds():g} s"}
        )
        return False
    try:
        task.result()
    except (KafkaError, OSError) as error:
        log.warning(
            "kafka.not_ended_well", extra={"what": what, "reason": f"{type(error).__name__}: {error}"}
        )
    return True

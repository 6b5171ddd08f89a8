"""Keeps aiokafka from asking for metadata without a pause while no broker answers."""

import asyncio
from datetime import timedelta
from typing import Any, Final

_PAUSE: Final = timedelta(milliseconds=500)


def pace_metadata(client: Any, *, pause: timedelta = _PAUSE) -> None:
    """Make the client wait a moment after each update that no broker answered.

    When the last metadata named no leader for a partition, aiokafka's fetcher asks for new
    metadata and, refused at once by a broker that is away, asks again at once: a busy loop
    that lasts as long as the outage. The client has no setting for it.
    """
    update = client._metadata_update  # noqa: SLF001  there is no public place to wait in

    async def paced(*args: Any) -> bool:
        if await update(*args):
            return True
        await asyncio.sleep(pause.total_seconds())
        return False

    client._metadata_update = paced  # noqa: SLF001

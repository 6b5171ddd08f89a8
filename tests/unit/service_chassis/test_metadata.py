"""Asking for metadata while no broker answers."""

import asyncio
from datetime import timedelta

from service_chassis.metadata import pace_metadata


class Client:
    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def _metadata_update(self, cluster: object, topics: object) -> bool:
        self.asked += 1
        return self.answers.pop(0) if self.answers else False


async def test_a_client_that_is_refused_does_not_ask_in_a_busy_loop() -> None:
    client = Client()
    pace_metadata(client, pause=timedelta(milliseconds=50))

    async def like_a_fetcher() -> None:
        while True:
            await client._metadata_update(None, None)

    fetcher = asyncio.create_task(like_a_fetcher())
    await asyncio.sleep(0.2)
    fetcher.cancel()
    assert 2 <= client.asked <= 6


async def test_an_answer_is_not_delayed() -> None:
    client = Client(True)
    pace_metadata(client, pause=timedelta(seconds=60))
    assert await asyncio.wait_for(client._metadata_update(None, None), 1)

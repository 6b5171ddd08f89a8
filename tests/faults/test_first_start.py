"""Services that are started before the servers they need."""

import asyncio
import time
from pathlib import Path

import pytest

from jobstream_local.services import answers
from tests.support.figures import Figures
from tests.support.product import Product
from tests.support.waiting import until


@pytest.mark.timeout(150)
async def test_services_stay_alive_without_servers_and_become_ready_when_they_come(
    tmp_path: Path, figures: Figures
) -> None:
    product = Product(tmp_path)
    services = product.services()
    try:
        for service in services:
            service.expected = True
            service.process.start()

        async def alive() -> bool:
            for service in services:
                assert service.process.alive, service.complaint("ended")
                assert await asyncio.to_thread(answers, f"{service.ops_url}/livez")
            return True

        await until(alive, within=30, what="all services to be alive")
        for service in services:

            async def says_why(name: str = service.name) -> bool:
                code, body = await product.readiness(name)
                assert code == 503
                reasons = {n: c["reason"] for n, c in body["checks"].items() if not c["ok"]}
                assert "mongo" in reasons, reasons
                return all(reasons.values()) and not any("yet" in r for r in reasons.values())

            await until(says_why, within=20, what=f"{service.name} to say why it is not ready")
        await asyncio.gather(product.stack.start("mongod"), product.stack.start("kafka"))
        await product.stack.set_up()
        began = time.monotonic()
        await asyncio.gather(*(service.wait_ready(within=40) for service in services))
        ready = time.monotonic() - began
        async with product.api() as api:
            job = await api.submit_surely("noop", within=10)
            assert (await api.finish(job))["state"] == "succeeded"
        assert [service.process.starts for service in services] == [1] * len(services), "none was restarted"
        figures(ready_after_s=ready)
    finally:
        await product.stack.down()

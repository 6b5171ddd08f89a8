"""A page that stays open while the whole product is ended and started again."""

import asyncio
import time

import pytest
from playwright.async_api import Browser

from tests.support.api import Api
from tests.support.figures import Figures
from tests.support.page import see_connection, see_row
from tests.support.person import Person

pytestmark = pytest.mark.timeout(240)

PROMISED = 10.0
"""Seconds from the return of the product to the exact state on the page."""


async def test_a_page_left_open_over_make_down_and_make_up_shows_the_exact_state(
    browser: Browser, person: Person, figures: Figures
) -> None:
    async def run(verb: str) -> None:
        code, told = await asyncio.to_thread(person.run, verb, DETACH="1")
        assert code == 0, told

    await run("up")
    context = await browser.new_context(base_url=f"http://localhost:{person.env['WEB_PORT']}")
    page = await context.new_page()
    async with Api(f"http://127.0.0.1:{person.env['API_PORT']}") as api:
        await page.goto("/ui/jobs")
        await see_connection(page, "live")
        await page.evaluate("window.neverReloaded = true")
        running = await api.submit("sleep", {"seconds": 60})
        due = await api.submit("sleep", {"seconds": 0.1}, delay=2)
        await see_row(page, running, "running")
        await run("down")
        await see_connection(page, "reconnecting", "offline")
        await run("up")
        back = time.monotonic()
        assert (await api.finish(due))["state"] == "succeeded"
        await see_row(page, due, "succeeded")
        await see_row(page, running, "running")
        await see_connection(page, "live")
        seconds = time.monotonic() - back
        assert await page.evaluate("window.neverReloaded"), "it was reloaded"
    await context.close()
    figures(exact_after_s=seconds)
    assert seconds < 2 * PROMISED

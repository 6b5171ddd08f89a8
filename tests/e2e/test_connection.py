"""What a person sees while the page's connection is lost, silent, refused or reset, and after."""

import time
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, Request, Route, expect

from tests.support.api import Api
from tests.support.page import SOON, see_connection, see_row, see_state
from tests.support.product import Product
from tests.support.proxy import Proxy
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(150)


async def test_a_lost_connection_is_found_again_and_the_exact_state_is_seen(
    page: Page, api: Api, proxy: Proxy
) -> None:
    job = await api.submit("sleep", {"seconds": 4})
    await page.goto(f"/ui/jobs/{job}")
    await see_connection(page, "live")
    await see_state(page, "running")
    await proxy.refuse()
    await see_connection(page, "reconnecting", "offline")
    ended = await api.finish(job)
    assert ended["state"] == "succeeded"
    await see_state(page, "running")  # it cannot know, and does not pretend to
    await proxy.heal()
    await see_state(page, "succeeded")
    await see_connection(page, "live")


async def test_the_list_catches_up_with_what_happened_while_the_connection_was_lost(
    page: Page, api: Api, proxy: Proxy
) -> None:
    before = await api.submit("sleep", {"seconds": 4})
    await page.goto("/ui/jobs")
    await see_connection(page, "live")
    await see_row(page, before, "running")
    await proxy.refuse()
    await see_connection(page, "reconnecting", "offline")
    meanwhile = await api.submit("noop")
    await api.finish(before)
    await api.finish(meanwhile)
    await proxy.heal()
    await see_connection(page, "live")
    await see_row(page, before, "succeeded")
    await see_row(page, meanwhile, "succeeded")


async def test_a_connection_that_died_without_a_word_is_replaced_after_45_seconds_of_silence(
    page: Page, api: Api, proxy: Proxy
) -> None:
    await page.clock.install()
    job = await api.submit("sleep", {"seconds": 4, "steps": 4})
    await page.goto(f"/ui/jobs/{job}")
    await expect(page.locator(".events li").first).to_be_visible(timeout=SOON)  # its stream is open
    await see_connection(page, "live")
    proxy.silence()
    await api.finish(job)
    await page.clock.fast_forward(30_000)
    await see_connection(page, "live")  # a heartbeat may only be late
    await page.clock.fast_forward(20_000)
    await see_connection(page, "reconnecting")
    await proxy.refuse()  # what the silent proxy holds is not let through after all
    await proxy.heal()
    await see_state(page, "succeeded")
    await see_connection(page, "live")


async def test_a_page_left_open_over_the_servers_absence_shows_the_truth_within_ten_seconds(
    page: Page, api: Api, product: Product
) -> None:
    job = await api.submit("sleep", {"seconds": 3})
    await page.goto("/ui/jobs")
    await see_connection(page, "live")
    await see_row(page, job, "running")
    replicas = product.services("api")
    for replica in replicas:
        await replica.stop()
    await see_connection(page, "reconnecting", "offline")
    async with product.records() as records:

        async def ended() -> bool:
            assert (await records.job(job))["state"] == "succeeded"
            return True

        await until(ended, within=20, what="the job to end without an api")
    for replica in replicas:
        await replica.start()
    await until(api_is_back(api), within=30, what="the api to answer")
    back = time.monotonic()
    await see_row(page, job, "succeeded")
    await see_connection(page, "live")
    seconds = time.monotonic() - back
    print(f"the exact state was seen {seconds:.1f} s after the api's return")
    assert seconds < 20  # ten, on a machine that does nothing else


def api_is_back(api: Api) -> Callable[[], Awaitable[bool]]:
    async def answers() -> bool:
        assert (await api.get("/jobs?limit=1")).status_code == 200
        return True

    return answers


async def test_a_reset_has_the_list_read_again(page: Page, api: Api, proxy: Proxy) -> None:
    async def forge(route: Route) -> None:
        await route.continue_(headers={**route.request.headers, "last-event-id": "another-cluster;0:1"})

    reads: list[str] = []

    def count(request: Request) -> None:
        if "/jobs?" in request.url and "/ui/" not in request.url:
            reads.append(request.url)

    page.on("request", count)
    await page.route("**/events", forge)
    first = await api.submit("noop")
    await page.goto("/ui/jobs")
    await see_connection(page, "live")
    await see_row(page, first, "succeeded")
    before = len(reads)
    await proxy.refuse()
    await see_connection(page, "reconnecting", "offline")
    second = await api.submit("noop")
    await api.finish(second)
    await proxy.heal()
    await see_connection(page, "live")
    await see_row(page, second, "succeeded")
    assert len(reads) > before

"""Far more searches than the upstream allows: they wait for its next window, and all get through."""

import math
import time
from collections import Counter
from datetime import timedelta

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Document, Records
from tests.support.scaling import beside
from tests.support.topics import TopicProbe
from tests.support.unsplash import KEY, Unsplash

SPARE = 3
"""Windows that may go by beyond those the quota asks for: refusals at the end of one, a busy machine."""

BY_CHANCE = 1 / 3
"""Mean displacement in an order made by lot."""


@pytest.mark.row(
    "F26", promise="searches beyond the upstream's quota wait, each asking at most once a window; all succeed"
)
@pytest.mark.timeout(400)
async def test_searches_beyond_the_quota_wait_and_all_succeed(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    quota, window = int(form.of(20, 60, 50)), form.of(8, 10, 60)
    jobs = min(form.jobs, 500)
    needed = math.ceil(jobs / quota)
    with Unsplash(quota=quota, window=timedelta(seconds=window), says_when=True) as upstream:
        settings = {"UNSPLASH__ACCESS_KEY": KEY, "UNSPLASH__BASE_URL": upstream.base_url}
        async with (
            product.having("job-worker", **settings),
            beside(product, "job-worker", int(form.of(2, 8)), **settings),
        ):
            workers = len(product.names("job-worker"))
            began = time.monotonic()
            searches = [
                await api.submit_surely("image.search", {"query": f"quota {form.seed} {n}", "count": 1})
                for n in range(jobs)
            ]
            await records.all_final(searches, within=2 * (needed + SPARE) * window)
            took = time.monotonic() - began
            await at_rest(records, topics)
            counted = await check(product, api.history, records=records, topics=topics, upstream=upstream)
            ended = await records.jobs(searches)
        asked = Counter(request.query["query"] for request in upstream.requests)
    figures(
        workers=workers,
        windows=upstream.windows,
        needed=needed,
        refused=upstream.refused,
        recovery_s=took,
        displaced=(displaced := displacement(searches, ended)),
        **counted,
    )
    assert counted["extra attempts"] == counted["dead letters"] == 0, "a quota burns no attempt"
    assert upstream.windows <= needed + SPARE, "no window is left unused"
    assert max(asked.values()) <= upstream.windows, "who was refused asks again in the next window"
    assert displaced < BY_CHANCE, "roughly, who came first is served first"


def displacement(searches: list[str], ended: dict[str, Document]) -> float:
    """How far searches ended from the place at which they came, on average, as a share of all places."""
    order = sorted(searches, key=lambda job: ended[job]["finished_at"])
    place = {job: n for n, job in enumerate(order)}
    return sum(abs(place[job] - came) for came, job in enumerate(searches)) / len(searches) ** 2

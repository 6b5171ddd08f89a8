"""Far more searches than the upstream allows: they wait for their turn, and all get through, whoever dies."""

import asyncio
import math
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.evidence import Findings
from tests.support.checking.rest import at_rest
from tests.support.checking.upstream import within_quota
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.preloaded import COMPILER
from tests.support.product import Product
from tests.support.records import Document, Records
from tests.support.scaling import beside
from tests.support.topics import TopicProbe
from tests.support.unsplash import KEY, Unsplash, slow
from tests.support.waiting import until_true
from tests.support.wall_clocks import wall_clocks

TO_TEN = 8
"""Workers beside the two of the product."""

JUMPS = timedelta(minutes=70), timedelta(minutes=-70)
"""How far the clocks of those two jump: one is ahead by more than an hour, the other as far behind."""

SPARE = 3
"""Windows that may go by beyond those the quota asks for: what the killed held, a busy machine."""

BY_CHANCE = 1 / 3
"""Mean displacement in an order made by lot."""


@pytest.mark.row(
    "F26",
    promise="searches beyond the upstream's quota wait for their turn: no window has more calls than the "
    "quota, though workers are killed and clocks jump, and all succeed",
)
@pytest.mark.skipif(COMPILER is None, reason="moving a clock takes a C compiler")
@pytest.mark.timeout(400)
async def test_searches_beyond_the_quota_wait_and_all_succeed(
    product: Product,
    api: Api,
    records: Records,
    topics: TopicProbe,
    figures: Figures,
    form: Form,
    tmp_path: Path,
) -> None:
    quota, window = int(form.of(20, 60, 50)), form.of(8, 10, 60)
    jobs = form.at_most(500)
    needed = math.ceil(jobs / quota)
    await records.forget("upstreams", "answers")
    with Unsplash(quota=quota, window=timedelta(seconds=window)) as upstream:
        settings = {
            "UNSPLASH__ACCESS_KEY": KEY,
            "UNSPLASH__BASE_URL": upstream.base_url,
            "UNSPLASH__QUOTA": str(quota),
            "UNSPLASH__QUOTA_WINDOW": f"PT{window:g}S",
        }
        async with (
            wall_clocks(product, tmp_path, "job-worker", **settings) as clocks,
            beside(product, "job-worker", TO_TEN, **settings) as more,
        ):
            workers = len(product.names("job-worker"))
            # So long that the killed have calls under way.
            upstream.always(slow(1))
            began = time.monotonic()
            searches = [
                await api.submit_surely("image.search", {"query": f"quota {form.seed} {n}", "count": 1})
                for n in range(jobs)
            ]
            await until_true(
                lambda: len(upstream.requests) >= 1.5 * quota,
                within=60 + 2 * window,
                what="the middle of the second window",
            )
            for clock, jump in zip(clocks.values(), JUMPS, strict=True):
                clock.move(jump)
            victims = form.draw("F26").sample(more, 2)
            await asyncio.gather(*(product.stack.kill(victim) for victim in victims))
            await records.all_final(searches, within=60 + 2 * (needed + SPARE) * window)
            took = time.monotonic() - began
            await at_rest(records, topics)
            counted = await check(product, api.history, records=records, topics=topics, upstream=upstream)
            ended = await records.jobs(searches)
        asked = Counter(request.query["query"] for request in upstream.requests)
    figures(
        workers=workers,
        killed=len(victims),
        needed_s=(needed - 1) * window,
        recovery_s=took,
        refused=upstream.refused,
        asked_twice=sum(n - 1 for n in asked.values()),
        displaced=(displaced := displacement(searches, ended)),
        **counted,
    )
    within_quota(found := Findings(), upstream.requests, quota=quota, window=window)
    found.verdict()
    assert upstream.refused == 0, "it never had to say no"
    assert counted["dead letters"] == 0
    assert burnt(ended) == [], "a quota burns no attempt"
    assert took <= (needed + SPARE) * window + 30, "no window is left unused"
    assert displaced < BY_CHANCE, "roughly, who came first is served first"


def burnt(ended: dict[str, Document]) -> list[Document]:
    """Attempts that ended otherwise than well, with their worker, or because a busy machine answered late."""
    return [
        attempt
        for record in ended.values()
        for attempt in record["attempts"]
        if attempt["outcome"] not in {"succeeded", "stalled"}
        and "did not answer in time" not in attempt["error"]["message"]
    ]


def displacement(searches: list[str], ended: dict[str, Document]) -> float:
    """How far searches ended from the place at which they came, on average, as a share of all places."""
    order = sorted(searches, key=lambda job: ended[job]["finished_at"])
    place = {job: n for n, job in enumerate(order)}
    return sum(abs(place[job] - came) for came, job in enumerate(searches)) / len(searches) ** 2

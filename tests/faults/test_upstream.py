"""An upstream that answers with errors and nonsense for a while: it is left alone, and nobody's job is buried."""

from collections import Counter
from itertools import cycle

import pytest

from tests.faults.conftest import Form
from tests.support import unsplash as play
from tests.support.api import Api
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.unsplash import KEY, Unsplash
from tests.support.waiting import until

TROUBLE = (
    play.status(500, "Something went wrong"),
    play.html(),
    play.truncated(),
    play.unavailable(retry_after=1),
    play.reset(),
    play.slow_loris(0.05),
)


@pytest.mark.row(
    "F25",
    promise="an upstream that fails is left alone by all workers until a probe finds it well; old answers "
    "serve meanwhile, and no job is buried",
)
@pytest.mark.timeout(240)
async def test_an_upstream_that_fails_is_left_alone_and_no_job_is_buried(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    await records.forget("upstreams", "answers")
    with Unsplash(quota=10_000) as upstream:
        settings = {
            "UNSPLASH__ACCESS_KEY": KEY,
            "UNSPLASH__BASE_URL": upstream.base_url,
            "UNSPLASH__QUOTA": "10000",
            "UNSPLASH__TIMEOUT": "1",
            "BREAKER__PROBE_AFTER": "3",
            "BREAKER__PROBE_CAP": "6",
        }
        async with product.having("job-worker", **settings):
            known = await api.finish(await api.submit("image.search", {"query": "long known", "count": 1}))
            await records.database["answers"].update_many(
                {}, [{"$set": {"fetched_at": {"$subtract": ["$fetched_at", 2 * 86_400_000]}}}]
            )
            troubles = cycle(TROUBLE)
            upstream.always(lambda handler: next(troubles)(handler))  # noqa: PLW0108  another one each time
            well, searches = len(upstream.requests), form.at_most(500)
            jobs = [
                await api.submit("image.search", {"query": f"storm {n}", "count": 1}) for n in range(searches)
            ]

            async def left_alone() -> dict[str, object]:
                upstreams = (await api.get("/tasks/image.search")).json()["upstreams"]
                assert upstreams, "the api reads them every two seconds"
                (told,) = upstreams
                assert told["breaker"]["state"] != "closed", told
                return dict(told["breaker"])

            breaker = await until(left_alone, within=60, what="the breaker to open")
            assert breaker["reason"]
            old = await api.finish(await api.submit("image.search", {"query": "Long  known", "count": 1}))
            assert (old["result"]["cache"], old["result"]["images"]) == ("stale", known["result"]["images"])

            async def probed() -> bool:
                stored = await records.database["upstreams"].find_one({"_id": "unsplash"})
                assert stored is not None
                assert stored["circuit"]["opened"]["wait"] > 3, "no probe has failed yet"
                return True

            await until(probed, within=60, what="a probe to find it unwell")
            assert not (await api.get("/tasks/image.search")).json()["paused"], "that is the brake's business"
            during = len(upstream.requests) - well
            upstream.always(None)
            await records.all_final(jobs, within=120)
            await at_rest(records, topics)
            counted = await check(product, api.history, records=records, topics=topics, upstream=upstream)
            states = Counter(r["state"] for r in (await records.jobs(jobs)).values())
    figures(asked_in_vain=during, **counted)
    assert states == {"succeeded": searches}
    assert counted["dead letters"] == 0
    # Those that were under way when the fifth had failed, in two workers of a hundred slots, and a probe or two.
    assert during <= min(searches, 2 * 100) + 10

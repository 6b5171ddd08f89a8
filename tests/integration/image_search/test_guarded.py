"""Many workers on one MongoDB and one upstream: the quota holds, one answer serves all, who is down is left alone.

A worker is the task's resources opened once more: all it shares with others stands in MongoDB. The
upstream's own log is the judge.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from bson import json_util
from pydantic import SecretStr

from job_worker.tasks import RateLimited, Retry
from job_worker.tasks.image_search import SearchResult
from job_worker.tasks.image_search.unsplash import UnsplashKeyRefused
from job_worker.upstream.circuit import Patience
from jobstream_local.ports import free_port
from service_chassis.mongo import Mongo
from service_chassis.settings import MongoSettings
from tests.integration.image_search.conftest import OpenSearch, Searcher
from tests.support import unsplash as play
from tests.support.checking.evidence import Findings
from tests.support.checking.upstream import within_quota
from tests.support.unsplash import Unsplash

QUICK = Patience(probe_after=timedelta(seconds=1), cap=timedelta(seconds=2))


class Line:
    """Jobs as the line runs them: each on any worker, again when it was told to come back."""

    def __init__(self, workers: Sequence[Searcher]) -> None:
        self.workers = workers
        self.ended: list[str] = []
        self.results: dict[str, SearchResult] = {}
        self.sent_away: Counter[str] = Counter()
        self._next = 0

    async def job(self, name: str, *, owner: str = "default", **payload: Any) -> None:
        while True:
            self._next += 1
            worker = self.workers[self._next % len(self.workers)]
            try:
                self.results[name] = await worker(job=name, owner=owner, **payload)
            except RateLimited as error:
                self.sent_away[name] += 1
                await asyncio.sleep(max(error.until.total_seconds(), 0.1))
            else:
                self.ended.append(name)
                return

    async def all(self, *jobs: Any, within: float) -> None:
        async with asyncio.timeout(within):
            await asyncio.gather(*jobs)

    @property
    def caches(self) -> Counter[str | None]:
        return Counter(result.cache for result in self.results.values())


def holds(upstream: Unsplash, *, quota: int, window: float) -> None:
    """See that the quota held for each key, in every window of the upstream's own log."""
    findings = Findings()
    for key in {request.key for request in upstream.requests}:
        of_key = [request for request in upstream.requests if request.key == key]
        within_quota(findings, of_key, quota=quota, window=window)
    findings.verdict()
    assert upstream.refused == 0


async def workers_of(open_search: OpenSearch, number: int, upstream: Unsplash, **settings: Any) -> Line:
    # A busy machine is slow, not wrong: an upstream that is slow enough would fail.
    patient = {"UNSPLASH__BASE_URL": upstream.base_url, "UNSPLASH__TIMEOUT": "PT30S", **settings}
    return Line([await open_search(**patient) for _ in range(number)])


async def test_ten_workers_never_ask_for_more_than_the_quota_and_all_jobs_are_served(
    open_search: OpenSearch,
) -> None:
    with Unsplash(quota=10, window=timedelta(seconds=2)) as upstream:
        line = await workers_of(
            open_search, 10, upstream, UNSPLASH__QUOTA="10", UNSPLASH__QUOTA_WINDOW="PT2S"
        )
        jobs = [line.job(f"j{n:03d}", query=f"view {n}", owner=f"o{n % 3}") for n in range(60)]
        began = time.monotonic()
        await line.all(*jobs, within=90)
        took = time.monotonic() - began
        holds(upstream, quota=10, window=2)
        assert len(upstream.requests) == 60
    assert took < 60, "tokens are used about as they come"
    assert max(line.sent_away.values()) <= 12, "a job is told when its turn comes"


async def test_workers_that_die_with_a_token_have_used_it(open_search: OpenSearch) -> None:
    with Unsplash(quota=4, window=timedelta(seconds=3)) as upstream:
        settings = {
            "UNSPLASH__QUOTA": "4",
            "UNSPLASH__QUOTA_WINDOW": "PT3S",
            "UNSPLASH__TIMEOUT": "PT0.5S",
        }
        line = await workers_of(open_search, 4, upstream, **settings)
        upstream.always(play.slow(30))
        dying = [asyncio.create_task(line.workers[n](job=f"d{n}", query=f"dies {n}")) for n in range(2)]
        async with asyncio.timeout(10):
            while len(upstream.requests) < 2:  # noqa: ASYNC110  a thread's list has no event
                await asyncio.sleep(0.005)
        for task in dying:
            task.cancel()
        await asyncio.gather(*dying, return_exceptions=True)
        upstream.always(None)
        await line.all(*(line.job(f"j{n}", query=f"view {n}") for n in range(6)), within=60)
        holds(upstream, quota=4, window=3)


async def test_an_owner_with_many_jobs_does_not_hold_up_another_one(open_search: OpenSearch) -> None:
    with Unsplash(quota=4, window=timedelta(seconds=2)) as upstream:
        line = await workers_of(open_search, 2, upstream, UNSPLASH__QUOTA="4", UNSPLASH__QUOTA_WINDOW="PT2S")
        busy = [line.job(f"a{n:03d}", query=f"busy {n}", owner="busy") for n in range(32)]
        crowd = asyncio.gather(*busy)
        await asyncio.sleep(1)
        await line.all(*(line.job(f"b{n}", query=f"quiet {n}", owner="quiet") for n in range(2)), within=30)
        behind = len(line.ended)
        await asyncio.wait_for(crowd, 90)
        holds(upstream, quota=4, window=2)
    assert behind <= 14, f"{behind} had ended when both were served: two windows, not eight"


async def test_five_hundred_equal_searches_are_one_call(open_search: OpenSearch) -> None:
    with Unsplash() as upstream:
        line = await workers_of(open_search, 5, upstream)
        upstream.script(play.slow(0.5))
        queries = ["Snowy hills", "snowy  HILLS", "ｓｎｏｗｙ hills"]
        jobs = [line.job(f"j{n:03d}", query=queries[n % 3], owner=f"o{n % 2}") for n in range(500)]
        await line.all(*jobs, within=60)
        assert len(upstream.requests) == 1
    assert line.caches == {"miss": 1, "hit": 499}
    assert all(line.results[f"j{n:03d}"].query == queries[n % 3] for n in range(500)), "as each has asked"


async def test_equal_searches_beyond_the_quota_take_one_place_and_one_token(
    open_search: OpenSearch, mongo: Mongo
) -> None:
    with Unsplash(quota=1, window=timedelta(seconds=4)) as upstream:
        line = await workers_of(open_search, 3, upstream, UNSPLASH__QUOTA="1", UNSPLASH__QUOTA_WINDOW="PT4S")
        await line.job("first", query="something else")
        jobs = [asyncio.create_task(line.job(f"j{n:02d}", query="the same")) for n in range(60)]
        async with asyncio.timeout(10):
            while sum(line.sent_away.values()) < 60:  # noqa: ASYNC110  a counter has no event
                await asyncio.sleep(0.01)
        stored = await mongo.collection("upstreams").find_one({"_id": "unsplash"})
        assert len(stored["quota"]["queue"]) == 1
        await line.all(*jobs, within=60)
        holds(upstream, quota=1, window=4)
        assert len(upstream.requests) == 2


async def test_a_wait_of_one_owner_is_not_that_of_another_who_asks_the_same(open_search: OpenSearch) -> None:
    with Unsplash(quota=1, window=timedelta(seconds=2)) as upstream:
        line = await workers_of(open_search, 2, upstream, UNSPLASH__QUOTA="1", UNSPLASH__QUOTA_WINDOW="PT2S")
        crowd = [asyncio.create_task(line.job(f"a{n}", query=f"view {n}", owner="busy")) for n in range(8)]
        await asyncio.sleep(1)
        await line.all(line.job("b", query="view 7", owner="quiet"), within=30)
        behind = len(line.ended)
        await line.all(*crowd, within=60)
        assert Counter(r.query["query"] for r in upstream.requests)["view 7"] == 1
    assert behind <= 4, "the last of eight turns was that of the busy owner alone"


async def test_a_hit_takes_no_token(open_search: OpenSearch, mongo: Mongo) -> None:
    with Unsplash(quota=1) as upstream:
        search = await open_search(UNSPLASH__BASE_URL=upstream.base_url, UNSPLASH__QUOTA="1")
        first = await search(query="mountains")
        for _ in range(5):
            again = await search(query="mountains")
            assert (again.cache, again.images) == ("hit", first.images)
            assert again.age is not None
        assert len(upstream.requests) == 1
    assert first.cache == "miss"
    assert "age" not in first.model_dump(), "it is as new as can be"


async def test_what_is_asked_differently_is_another_question(search: Searcher, unsplash: Unsplash) -> None:
    for payload in ({}, {"count": 5}, {"orientation": "portrait"}):
        assert (await search(query="mountains", **payload)).cache == "miss"
    assert len(unsplash.requests) == 3


async def test_a_claim_whose_worker_was_killed_lapses(
    open_search: OpenSearch, mongo: Mongo, unsplash: Unsplash
) -> None:
    search = await open_search()
    unsplash.script(play.slow(30))
    killed = asyncio.create_task(search(job="killed", query="mountains"))
    async with asyncio.timeout(10):
        while not unsplash.requests:  # noqa: ASYNC110  a thread's list has no event
            await asyncio.sleep(0.005)
    killed.cancel()
    with pytest.raises(RateLimited, match="another job asks the same"):
        await search(job="other", query="mountains")
    assert (await search(job="killed", query="mountains")).cache == "miss", (
        "the job itself goes on, elsewhere"
    )
    unsplash.script(play.slow(30))
    killed = asyncio.create_task(search(job="killed again", query="valleys"))
    async with asyncio.timeout(10):
        while len(unsplash.requests) < 3:  # noqa: ASYNC110  a thread's list has no event
            await asyncio.sleep(0.005)
    killed.cancel()
    # The lease runs out: as if its time had gone by.
    past = [{"$set": {"claim.until": {"$subtract": ["$$NOW", 1]}}}]
    await mongo.collection("answers").update_many({"claim": {"$exists": True}}, past)
    assert (await search(job="other", query="valleys")).cache == "miss"


async def make_old(mongo: Mongo, age: timedelta) -> None:
    """Let all answers be that much older."""
    older = {"$subtract": ["$fetched_at", round(age / timedelta(milliseconds=1))]}
    await mongo.collection("answers").update_many({}, [{"$set": {"fetched_at": older}}])


async def test_an_old_answer_is_asked_for_anew_by_one_and_given_to_the_others_meanwhile(
    search: Searcher, mongo: Mongo, unsplash: Unsplash
) -> None:
    await search(query="mountains")
    await make_old(mongo, timedelta(days=2))
    unsplash.script(play.slow(1))
    asking = asyncio.create_task(search(query="mountains"))
    async with asyncio.timeout(10):
        while len(unsplash.requests) < 2:  # noqa: ASYNC110  a thread's list has no event
            await asyncio.sleep(0.005)
    began = time.monotonic()
    stale = await search(query="mountains")
    assert stale.cache == "stale"
    assert stale.age is not None and 2 * 86_400 <= stale.age < 2 * 86_400 + 60  # noqa: PT018  one thing
    assert not asking.done() or time.monotonic() - began < 1
    assert (await asking).cache == "miss"
    assert (await search(query="mountains")).cache == "hit"
    assert len(unsplash.requests) == 2


@pytest.mark.parametrize("trouble", ["down", "quota"])
async def test_an_old_answer_is_better_than_none(trouble: str, open_search: OpenSearch, mongo: Mongo) -> None:
    with Unsplash(quota=1) as upstream:
        search = await open_search(UNSPLASH__BASE_URL=upstream.base_url, UNSPLASH__QUOTA="1")
        await search(query="mountains")
        await make_old(mongo, timedelta(days=2))
        if trouble == "down":
            await mongo.collection("upstreams").delete_many({})
            upstream.always(play.unavailable(retry_after=7))
        for _ in range(3):
            assert (await search(query="mountains")).cache == "stale"
        assert len(upstream.requests) == (2 if trouble == "down" else 1), "it is not tried for each job"
        stored = await mongo.collection("upstreams").find_one({"_id": "unsplash"})
        assert stored["quota"]["queue"] == [], "who has an answer needs no place"
        await make_old(mongo, timedelta(days=7))
        await mongo.collection("answers").update_many({}, {"$unset": {"claim": ""}})
        with pytest.raises((Retry, RateLimited)):
            await search(query="mountains")


async def test_an_upstream_that_fails_is_left_alone_by_all_workers_and_one_probe_finds_it_well(
    open_search: OpenSearch,
) -> None:
    with Unsplash() as upstream:
        line = await workers_of(open_search, 4, upstream, patience=QUICK)
        upstream.always(play.status(503, "out of order"))
        failed: Counter[str] = Counter()

        async def job(number: int) -> None:
            try:
                await line.workers[number % 4](job=f"j{number}", query=f"view {number}")
            except RateLimited as error:
                failed[f"{error}".partition("; ")[2] or f"{error}"] += 1
            except Retry:
                failed["retried"] += 1

        for number in range(12):
            await job(number)
        assert failed["retried"] == 4, "the fifth failure opens it, and costs no attempt"
        assert sum(failed.values()) == 12
        assert all("left alone" in why for why in failed if why != "retried"), failed
        asked = len(upstream.requests)
        assert 5 <= asked <= 5 + 3, "the three others find out within a second"
        await asyncio.sleep(1.1)
        upstream.always(play.slow(0.5))
        await line.all(*(line.job(f"k{n}", query=f"sight {n}") for n in range(8)), within=30)
        probes = [r.at for r in upstream.requests[asked:]]
        assert probes[1] - probes[0] > 0.4, "nobody else came while the probe was under way"
        assert len(upstream.requests) == asked + 8


async def test_a_probe_that_fails_costs_no_attempt_and_the_next_comes_later(open_search: OpenSearch) -> None:
    with Unsplash() as upstream:
        search = await open_search(UNSPLASH__BASE_URL=upstream.base_url, patience=QUICK)
        upstream.always(play.status(500, "broken"))
        for number in range(4):
            with pytest.raises(Retry):
                await search(query=f"view {number}")
        for wait, waited in ((1, 0.0), (2, 1.1)):
            await asyncio.sleep(waited)
            with pytest.raises(RateLimited) as caught:
                await search(job="one", query="one more")
            assert timedelta(seconds=wait) <= caught.value.until <= 1.5 * timedelta(seconds=wait)
        assert len(upstream.requests) == 6


async def test_a_quota_that_others_use_up_is_found_out_once(open_search: OpenSearch) -> None:
    with Unsplash(quota=5, window=timedelta(seconds=3), says_when=True) as upstream:
        line = await workers_of(open_search, 3, upstream, UNSPLASH__QUOTA="5", UNSPLASH__QUOTA_WINDOW="PT3S")
        upstream.use_up()
        await line.all(*(line.job(f"j{n}", query=f"view {n}") for n in range(1)), within=30)
        assert upstream.refused == 1
        await line.all(*(line.job(f"k{n}", query=f"sight {n}") for n in range(8)), within=60)
        assert upstream.refused == 1


async def test_what_an_answer_says_to_be_left_is_believed(open_search: OpenSearch, mongo: Mongo) -> None:
    with Unsplash(quota=3) as upstream:
        search = await open_search(UNSPLASH__BASE_URL=upstream.base_url, UNSPLASH__QUOTA="50")
        for number in range(3):
            await search(query=f"view {number}")
        with pytest.raises(RateLimited) as caught:
            await search(query="one more")
        assert caught.value.until > timedelta(minutes=59)
        assert upstream.refused == 0, "nothing was asked to find it out"


async def test_keys_are_pooled_and_one_that_is_refused_rests(open_search: OpenSearch, mongo: Mongo) -> None:
    keys = [f"canary-key-{n}" for n in range(3)]
    with Unsplash(quota=2, keys=keys[:2]) as upstream:
        settings = {
            "UNSPLASH__QUOTA": "2",
            "UNSPLASH__ACCESS_KEY": None,
            "UNSPLASH__ACCESS_KEYS": ",".join(keys),
        }
        line = await workers_of(open_search, 2, upstream, **settings)
        await line.all(*(line.job(f"j{n}", query=f"view {n}") for n in range(4)), within=30)
        used = Counter(request.key for request in upstream.requests)
        assert used[keys[0]] == used[keys[1]] == 2
        assert used[keys[2]] <= 2, "those under way at once"
        with pytest.raises(RateLimited):
            await line.workers[0](query="one more")
    everything = [await mongo.collection(c).find({}).to_list(None) for c in ("upstreams", "answers")]
    assert "canary-key" not in json.dumps(everything, default=json_util.default)


async def test_the_last_key_that_is_refused_is_everybodys_business(open_search: OpenSearch) -> None:
    with Unsplash(keys=()) as upstream:
        search = await open_search(UNSPLASH__BASE_URL=upstream.base_url, UNSPLASH__ACCESS_KEYS="another-key")
        with pytest.raises(RateLimited, match="another key is tried"):
            await search(job="one", query="mountains")
        with pytest.raises(UnsplashKeyRefused):
            await search(job="one", query="mountains")


async def test_without_mongodb_nothing_is_asked_and_no_attempt_is_burnt(
    open_search: OpenSearch, unsplash: Unsplash
) -> None:
    nowhere = MongoSettings(
        uri=SecretStr(f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"), patience=timedelta(seconds=0.5)
    )
    async with Mongo(nowhere, indexes={}) as mongo:
        search = await open_search(collection=mongo.collection)
        with pytest.raises(RateLimited, match="MongoDB"):
            await search(query="mountains")
    assert unsplash.requests == []

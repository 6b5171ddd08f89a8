"""The promises, checked on what clients were told, what MongoDB holds, what stood on topics and what a page saw.

| invariant | how it is seen | where |
|---|---|---|
| I1 no accepted job is lost | each id of a 2xx answer is final in MongoDB | lives |
| I2 one final state, which stays | one final step in the oplog, none after it | lives |
| I3 versions rise by one, by legal moves | every step of the oplog against the lifecycle | lives |
| I4 an upstream is asked once an attempt | the stand-in's log against the runs in the oplog | upstream |
| I5 nothing is left undone | lags, overdue jobs, leases; waited for by rows | rest |
| I6 a page ends on the truth | events and frames against the oplog, never going back | tellings |
| I7 dead letters are exact and earned | one document for each message, the same bytes | letters |
| I8 one key, one job | ids by Idempotency-Key, in answers and in MongoDB | clients |
| I9 nobody is told of another's job | owners of events and frames | tellings |
| I10 what a process holds is bounded | memory, descriptors, tasks; waited for by rows | footprint |
| I11 recovery is measured | the last end after the heal; by rows | lives |
| I12 duplicates are counted | attempts and messages beyond one | duplicates |
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from job_contracts.topics import Topic
from tests.support.api import Post
from tests.support.checking.clients import check_clients
from tests.support.checking.dump import dump
from tests.support.checking.duplicates import count_duplicates
from tests.support.checking.evidence import Ends, Evidence, Findings, Place
from tests.support.checking.letters import check_letters
from tests.support.checking.lives import check_lives
from tests.support.checking.tellings import check_events, check_page
from tests.support.checking.upstream import check_upstream
from tests.support.events import Events
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import TopicProbe
from tests.support.unsplash import Unsplash


async def check(
    product: Product,
    history: Sequence[Post],
    *,
    records: Records,
    topics: TopicProbe,
    events: Events | Sequence[Events] | None = None,
    must_fail: Collection[str] = (),
    must_cancel: Collection[str] = (),
    may_fail: Collection[str] = (),
    may_cancel: Collection[str] = (),
    redriven: Collection[str] = (),
    poison: Mapping[Place, bytes] | None = None,
    upstream: Unsplash | None = None,
    healed: datetime | None = None,
) -> dict[str, Any]:
    """Compare everything; raise if a promise is broken, else return what was counted.

    Parameters
    ----------
    history
        Every POST and its answer.
    records, topics
        Begun before the first POST.
    events
        Readers of many jobs that lived through it all.
    must_fail, must_cancel
        Jobs that shall end so; all others shall succeed.
    may_fail, may_cancel
        Jobs that may end so as well, as when the fault itself used up their attempts.
    redriven
        Jobs that were started anew after they had failed.
    poison
        What the row itself put on topics and nobody can read, by where it stands.
    upstream
        The stand-in for Unsplash, if the row has one.
    healed
        When the fault was over: then the recovery is counted as well.
    """
    accepted = {post.job for post in history if post.job is not None}
    steps = await records.steps()
    born = {job for job, path in steps.items() if path[0].version == 1}
    found = Findings()
    try:
        await records.all_final(born - accepted, within=30)
    except AssertionError as error:
        found.wrong.append(f"I1: jobs nobody was told of do not end: {error}")
    steps = await records.steps()
    stored = await records.jobs(accepted | born)
    evidence = Evidence(
        posts=tuple(history),
        stored=stored,
        steps=steps,
        results=await records.results(stored),
        kept=await records.dead_letters(),
        requested=await topics.dump(Topic.JOBS),
        succeeded=await topics.dump(Topic.RESULTS),
        letters=await topics.dump(Topic.DEAD_LETTER),
        events=await topics.dump(Topic.JOB_EVENTS),
        since=topics.since,
        pages=(events,) if isinstance(events, Events) else tuple(events or ()),
        upstream=tuple(upstream.requests) if upstream is not None else (),
        ends=Ends(
            must_fail=must_fail,
            must_cancel=must_cancel,
            may_fail=may_fail,
            may_cancel=may_cancel,
            redriven=redriven,
        ),
        poison=poison or {},
        healed=healed,
    )
    judge(evidence, found)
    dumped = str(dump(evidence, product.stack.home / "broken-promises.jsonl")) if found.wrong else ""
    return found.verdict(dumped=dumped)


def judge(evidence: Evidence, found: Findings) -> None:
    """Hold all that was seen against all that is promised."""
    check_clients(evidence, found)
    check_lives(evidence, found)
    check_letters(evidence, found)
    check_events(evidence, found)
    for page in evidence.pages:
        check_page(evidence, found, page)
    if evidence.upstream:
        check_upstream(evidence, found)
    count_duplicates(evidence, found)

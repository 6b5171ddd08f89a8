"""Kafka takes no dead letters, or has lost the topic they stand on; everything else is well."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition

from job_contracts.topics import Group, Topic
from tests.faults.conftest import Form
from tests.support.api import Api
from tests.support.checking.evidence import Place
from tests.support.checking.rest import at_rest
from tests.support.figures import Figures
from tests.support.invariants import check
from tests.support.load import Load, Wanted, usual
from tests.support.product import Product
from tests.support.records import Records
from tests.support.topics import READERS, TopicProbe

HELD = 50
"""Letters that are held at most: each keeps the slot of its job, and there are 200."""

REFUSING = 2, 15
"""Seconds without letters, in the short form and else: longer than a lease."""


@pytest.mark.row("F22", promise="letters that cannot be published are held; what needs none goes on")
@pytest.mark.timeout(240)
async def test_letters_that_cannot_be_published_are_held_and_all_else_goes_on(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures, form: Form
) -> None:
    def mix(number: int, chance: random.Random) -> Wanted:
        return usual(number if number < 10 * HELD else number | 1, chance)

    await topics.configure(Topic.DEAD_LETTER, max_message_bytes="1")
    try:
        async with Load(api, jobs=form.jobs, rate=form.rate(30), seed=form.seed, mix=mix) as load:
            await load.done()
        await records.all_final(set(load.jobs) - load.doomed, within=30)
        # What stands on a partition behind bytes that must be diverted waits with them.
        poison: dict[Place, bytes] = {}
        for topic in (Topic.JOBS, Topic.RESULTS):
            noise = f"{{ this was never a message of {topic}".encode()
            poison[await topics.produce(topic, noise, partition=3)] = noise
        await asyncio.sleep(form.of(*REFUSING))  # how long letters are refused
        held = {r["state"] for r in (await records.jobs(load.doomed)).values()}
        await not_committed_past(topics, poison)
    finally:
        await topics.configure(Topic.DEAD_LETTER)
    healed = time.monotonic()
    await records.all_final(load.jobs, within=60)
    recovered = time.monotonic() - healed
    await at_rest(records, topics)
    counted = await check(
        product, api.history, records=records, topics=topics, must_fail=load.doomed, poison=poison
    )
    figures(held=len(load.doomed), recovery_s=recovered, **counted)
    assert held == {"running"}, "neither ended without a letter nor judged"
    assert counted["extra attempts"] == 0


async def not_committed_past(topics: TopicProbe, poison: dict[Place, bytes]) -> None:
    """See that no group has committed what must be diverted first."""
    groups: dict[str, Group] = {topic: group for group, topic in READERS.items()}
    for topic, partition, offset in poison:
        done = await topics.committed(groups[topic])
        assert done.get(TopicPartition(topic, partition), 0) <= offset, f"{topic} was committed past {offset}"


@pytest.mark.row("F22", promise="a topic of letters that is made anew takes no letter's place")
@pytest.mark.timeout(180)
async def test_letters_on_a_topic_that_was_made_anew_do_not_take_the_place_of_older_ones(
    product: Product, api: Api, records: Records, topics: TopicProbe, figures: Figures
) -> None:
    async def bury() -> set[str]:
        """End jobs in so many letters that every partition has some."""
        jobs = {await api.submit("sleep", {"seconds": 0.01, "fail": "reject"}) for _ in range(40)}
        await records.all_final(jobs, within=60)
        return jobs

    async with product.having("job-worker", BRAKE__RUN="0"):
        jobs = await bury()
        await topics.drained()
        counted = await check(product, api.history, records=records, topics=topics, must_fail=jobs)
        stood = {place(letter) for letter in await records.dead_letters()}
        # Its offsets begin anew, so letters come to stand where those of other jobs stood.
        await topics.delete(Topic.DEAD_LETTER)
        await product.stack.set_up()
        made_anew = time.monotonic()
        jobs |= (later := await bury())
        recovered = time.monotonic() - made_anew
    letters = await records.dead_letters(job={"$in": list(jobs)})
    figures(letters=len(letters), recovery_s=recovered, **counted)
    # Where a topic begins anew the checker of the next row could not tell old letters from new ones.
    await records.database["dead_letters"].delete_many({})
    assert sorted(letter["job"] for letter in letters) == sorted(jobs), "one letter for each"
    assert stood & {place(letter) for letter in letters if letter["job"] in later}, (
        "some stand where others stood"
    )


def place(letter: Mapping[str, Any]) -> tuple[int, int]:
    """Return partition and offset of a letter."""
    return letter["origin"]["partition"], letter["origin"]["offset"]

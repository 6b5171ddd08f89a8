"""How results become succeeded jobs, in memory and in MongoDB alike."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec import json

from job_contracts.lifecycle import JobState
from job_contracts.messages import MessageRejected
from job_contracts.record import EMPTY_RESULTS, Collection
from job_contracts.topics import Topic
from job_contracts.views import Record, changed
from result_worker.figures import Figures
from result_worker.recording import Recording
from service_chassis.metrics import Metrics
from service_chassis.settings import MongoDriver
from tests.contract.builders import Stood, job_record, on, succeeded
from tests.contract.keepers import Keeper, MongoKeeper


class Heard:
    """What the others would hear."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int]] = []
        self.results: list[object] = []
        self.letters: list[MessageRejected] = []

    async def changed(self, jobs: Sequence[tuple[Record, bytes]]) -> None:
        for record, result in jobs:
            view = json.decode(changed(record, result).job)
            self.events.append((view["id"], view["state"], view["version"]))
            self.results.append(view["result"])

    async def rejected(self, letters: Sequence[MessageRejected]) -> None:
        self.letters += letters


class Story:
    """One result worker with its store and those who hear it."""

    def __init__(self, keeper: Keeper) -> None:
        self.heard = Heard()
        self.metrics = Metrics()
        self.figures = Figures(store=keeper.minutes)
        self._recording = Recording(
            store=keeper.results,
            publisher=self.heard,
            figures=self.figures,
            metrics=self.metrics,
            retention=timedelta(days=7),
        )

    async def record(self, *messages: object, start: int = 0) -> None:
        await self._recording.record(on("results", *messages, start=start))  # type: ignore[arg-type]

    def dropped(self, reason: str) -> float:
        labels = {"topic": Topic.RESULTS, "reason": reason}
        return self.metrics.registry.get_sample_value("messages_dropped_total", labels) or 0


in_mongodb = pytest.mark.parametrize("mongo_settings", MongoDriver, indirect=True)


@pytest.fixture
def story(keeper: Keeper) -> Story:
    return Story(keeper)


async def test_a_result_is_stored_and_its_job_succeeds_and_everybody_hears_it(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)

    await story.record(succeeded(job["_id"], result=b'{"answer":42}'))

    after = await keeper.job(job["_id"])
    assert (after["state"], after["version"], after["has_result"]) == ("succeeded", 3, True)
    assert await keeper.result(job["_id"], 2) == '{"answer":42}'
    assert story.heard.events == [(job["_id"], "succeeded", 3)]
    assert story.heard.results == [{"answer": 42}]


async def test_a_batch_may_hold_jobs_of_several_versions(keeper: Keeper, story: Story) -> None:
    jobs = [job_record(version=version) for version in (2, 2, 5, 9)]
    await keeper.put(*jobs)
    await story.record(*(succeeded(job["_id"], job["version"]) for job in jobs))
    assert [(await keeper.job(job["_id"]))["version"] for job in jobs] == [3, 3, 6, 10]
    assert len(story.heard.events) == 4


async def test_a_batch_that_comes_again_is_announced_again_and_changes_nothing(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)
    await story.record(succeeded(job["_id"]))
    before = await keeper.job(job["_id"])

    await story.record(succeeded(job["_id"]))

    assert await keeper.job(job["_id"]) == before
    assert story.heard.events == [(job["_id"], "succeeded", 3)] * 2


@pytest.mark.parametrize("result", sorted(EMPTY_RESULTS))
async def test_a_result_that_says_nothing_stands_in_the_record_of_its_job(
    keeper: Keeper, story: Story, result: str
) -> None:
    first, second, third = jobs = [job_record() for _ in range(3)]
    for job in jobs:
        await keeper.put(job)
    await story.record(
        succeeded(first["_id"], result=result.encode()),
        succeeded(second["_id"], result=b"7"),
        succeeded(third["_id"], result=result.encode()),
    )
    for job, wanted in zip(jobs, (None, "7", None), strict=True):
        after = await keeper.job(job["_id"])
        assert (after["state"], after.get("has_result"), await keeper.result(job["_id"], 2)) == (
            "succeeded",
            wanted and True,
            wanted,
        )
        assert after.get("result") == (None if wanted else result)
    said = json.decode(result)
    assert story.heard.results == [said, 7, said]


async def test_a_repeated_message_with_another_result_changes_nothing(keeper: Keeper, story: Story) -> None:
    job = job_record()
    await keeper.put(job)
    for result in (b"{}", b"1"):
        await story.record(succeeded(job["_id"], result=result))
    assert story.heard.results == [{}, {}]


async def test_the_first_result_of_a_version_stays(keeper: Keeper, story: Story) -> None:
    job = job_record()
    await keeper.put(job)
    await story.record(succeeded(job["_id"], result=b"1"), succeeded(job["_id"], result=b"2"))
    assert await keeper.result(job["_id"], 2) == "1"
    assert story.heard.results == [1]


async def test_the_late_result_of_a_zombie_lies_beside_the_true_one(keeper: Keeper, story: Story) -> None:
    job = job_record(version=5)
    await keeper.put(job)
    await story.record(
        succeeded(job["_id"], 2, result=b'"zombie"'), succeeded(job["_id"], 5, result=b'"true"')
    )
    assert (await keeper.result(job["_id"], 2), await keeper.result(job["_id"], 5)) == ('"zombie"', '"true"')
    assert story.heard.results == ["true"]
    assert story.dropped("stale_version") == 1


@pytest.mark.parametrize("state", [JobState.CANCELLED, JobState.FAILED, JobState.WAITING, JobState.PENDING])
async def test_a_late_result_cannot_revive_a_job(keeper: Keeper, story: Story, state: JobState) -> None:
    job = job_record(state, 3)
    await keeper.put(job)
    await story.record(succeeded(job["_id"], 2), succeeded(job["_id"], 3))
    after = await keeper.job(job["_id"])
    assert (after["state"], after["version"]) == (state, 3)
    assert story.heard.events == []
    assert story.dropped("stale_version") == 2


async def test_the_result_of_an_unknown_job_is_dropped_and_counted(story: Story) -> None:
    await story.record(succeeded("0198c0de-0000-7000-8000-000000000000"))
    assert story.heard.events == []
    assert story.dropped("unknown_job") == 1


async def test_poison_is_diverted_byte_for_byte_and_what_stands_behind_it_goes_on(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)
    poison = [
        b'{"type":"job.succ',
        b"",
        None,
        b"\xff\xfe{}",
        b'{"type":"job.succeeded.v9"}',
        b"\x00" * 900_000,
    ]

    await story.record(*poison, succeeded(job["_id"]), start=70)

    assert [letter.raw for letter in story.heard.letters] == [value or b"" for value in poison]
    assert [letter.source.offset for letter in story.heard.letters] == list(range(70, 76))
    assert all(letter.source.topic == "results" and letter.error.message for letter in story.heard.letters)
    assert story.heard.events == [(job["_id"], "succeeded", 3)]


async def test_a_result_keeps_its_exact_text_but_for_line_breaks(keeper: Keeper, story: Story) -> None:
    job = job_record()
    await keeper.put(job)
    await story.record(
        succeeded(job["_id"], result=b'{"big": 1180591620717411303424,\r\n "$$ROOT": "\\u0000\xe2\x98\x83"}')
    )
    stored = await keeper.result(job["_id"], 2)
    assert stored == '{"big": 1180591620717411303424,   "$$ROOT": "\\u0000☃"}'


async def test_a_large_result_is_stored_whole_and_announced_by_its_address(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)
    large = b'"' + b"x" * 500_000 + b'"'
    await story.record(succeeded(job["_id"], result=large))
    assert await keeper.result(job["_id"], 2) == large.decode()
    assert story.heard.results == [None]


@in_mongodb
async def test_results_over_the_servers_limit_for_one_command_are_stored_all(keeper: Keeper) -> None:
    assert isinstance(keeper, MongoKeeper)
    story = Story(keeper)
    jobs = [job_record() for _ in range(60)]
    await keeper.put(*jobs)
    await story.record(*(succeeded(job["_id"], result=b'"' + b"x" * 1_000_000 + b'"') for job in jobs))
    assert len(story.heard.events) == 60
    results = keeper.mongo.collection(Collection.RESULTS)
    ids = [job["_id"] for job in jobs]
    assert await results.count_documents({"_id.job": {"$in": ids}}) == 60
    await results.delete_many({"_id.job": {"$in": ids}})


async def test_a_job_is_counted_in_its_minute_once_however_often_its_result_comes(
    keeper: Keeper, story: Story
) -> None:
    task = f"counted-{uuid4()}"
    first, second = (job_record(task=task, waited=waited) for waited in (1, 2_000))
    await keeper.put(first, second)
    results = [succeeded(first["_id"], run_seconds=1), succeeded(second["_id"], run_seconds=1)]
    await story.record(results[0])
    await story.record(*results, results[1])
    await story.record(*results)
    await story.figures.write()
    assert await keeper.ended(task) == {
        "finished": 2,
        "failed": 0,
        "wait.sum": 2.001,
        "wait.classes.0": 1,
        "wait.classes.44": 1,
        "run.sum": 2,
        "run.classes.40": 2,
    }


@in_mongodb
async def test_the_result_outlives_its_job(keeper: Keeper, story: Story) -> None:
    assert isinstance(keeper, MongoKeeper)
    job = job_record()
    await keeper.put(job)
    await story.record(succeeded(job["_id"]))
    result = await keeper.mongo.collection(Collection.RESULTS).find_one({"_id.job": job["_id"]})
    kept_longer = result["expire_at"] - (await keeper.job(job["_id"]))["expire_at"]
    assert kept_longer > timedelta(days=6)


async def test_a_timestamp_beyond_the_calendar_stops_nothing(keeper: Keeper, story: Story) -> None:
    await story._recording.record([Stood(b"?", timestamp=2**62)])
    assert story.heard.letters[0].source.timestamp.year == 9999

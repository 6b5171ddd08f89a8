"""How dead letters are kept and jobs fail, in memory and in MongoDB alike."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from msgspec import json

from dlq_worker.parking import Parking
from job_contracts.lifecycle import ErrorKind, JobState
from job_contracts.messages import ErrorInfo, UnreadableError, encode
from job_contracts.record import Collection
from job_contracts.rejection import reject
from job_contracts.topics import Topic
from job_contracts.views import Record, changed
from service_chassis.metrics import Metrics
from service_chassis.settings import MongoDriver
from tests.contract.builders import TAKEN_AT, Stood, failed, job_record, on, succeeded
from tests.contract.keepers import Keeper, MongoKeeper
from tests.contract.moves import WAKE


class Heard:
    """What the others would hear."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int]] = []

    async def changed(self, records: Sequence[Record]) -> None:
        views = [json.decode(changed(record).job) for record in records]
        self.events += [(view["id"], view["state"], view["version"]) for view in views]


class Story:
    """One dlq worker with its store and those who hear it; a cluster of its own."""

    def __init__(self, keeper: Keeper, letter_retention: timedelta = timedelta(days=30)) -> None:
        self.cluster = str(uuid4())
        self.asked = 0
        self.heard = Heard()
        self.metrics = Metrics()
        self._parking = Parking(
            store=keeper.letters,
            publisher=self.heard,
            cluster_id=self._cluster_id,
            metrics=self.metrics,
            retention=timedelta(days=7),
            letter_retention=letter_retention,
        )

    async def _cluster_id(self) -> str:
        self.asked += 1
        return self.cluster

    async def park(self, *messages: object, start: int = 0, taken_at: int = TAKEN_AT) -> None:
        stood = on("dead-letter", *messages, start=start, taken_at=taken_at)  # type: ignore[arg-type]
        await self._parking.park(stood)

    def letter_id(self, offset: int, *, taken_at: int = TAKEN_AT) -> str:
        return f"{self.cluster}.dead-letter.0.{offset}.{taken_at}"

    def dropped(self, reason: str) -> float:
        labels = {"topic": Topic.DEAD_LETTER, "reason": reason}
        return self.metrics.registry.get_sample_value("messages_dropped_total", labels) or 0


in_mongodb = pytest.mark.parametrize("mongo_settings", MongoDriver, indirect=True)


@pytest.fixture
def story(keeper: Keeper) -> Story:
    return Story(keeper)


@pytest.mark.parametrize("kind", ErrorKind)
async def test_a_letter_is_kept_and_its_job_fails_and_everybody_hears_it(
    keeper: Keeper, story: Story, kind: ErrorKind
) -> None:
    late = kind is ErrorKind.EXPIRED
    job = job_record(JobState.PENDING, expire_by=WAKE) if late else job_record()
    await keeper.put(job)
    letter = failed(job["_id"], kind=kind, error=ErrorInfo(type="$$ROOT", message="$a ☃"))

    await story.park(letter)

    after = await keeper.job(job["_id"])
    assert (after["state"], after["version"]) == ("failed", 3)
    assert after["error"] == {"kind": kind, "type": "$$ROOT", "message": "$a ☃"}
    assert await keeper.raw_letter(story.letter_id(0)) == encode(letter)
    assert story.heard.events == [(job["_id"], "failed", 3)]


async def test_letters_that_differ_in_version_kind_or_error_move_their_own_jobs(
    keeper: Keeper, story: Story
) -> None:
    jobs = [job_record(version=2), job_record(version=2), job_record(version=4), job_record(version=2)]
    await keeper.put(*jobs)
    await story.park(
        failed(jobs[0]["_id"], 2, kind=ErrorKind.REJECTED),
        failed(jobs[1]["_id"], 2, kind=ErrorKind.EXHAUSTED),
        failed(jobs[2]["_id"], 4, kind=ErrorKind.EXHAUSTED),
        failed(jobs[3]["_id"], 2, kind=ErrorKind.EXHAUSTED, error=ErrorInfo(type="Other", message="else")),
    )
    after = [await keeper.job(job["_id"]) for job in jobs]
    assert [record["error"]["kind"] for record in after] == [
        "rejected",
        "exhausted",
        "exhausted",
        "exhausted",
    ]
    assert [record["version"] for record in after] == [3, 3, 5, 3]
    assert after[3]["error"]["type"] == "Other"


async def test_a_batch_that_comes_again_is_announced_again_and_changes_nothing(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)
    await story.park(failed(job["_id"]))
    before = await keeper.job(job["_id"])

    await story.park(failed(job["_id"]))

    assert await keeper.job(job["_id"]) == before
    assert story.heard.events == [(job["_id"], "failed", 3)] * 2


async def test_a_letter_sent_twice_is_kept_twice_and_fails_its_job_once(keeper: Keeper, story: Story) -> None:
    job = job_record()
    await keeper.put(job)
    await story.park(failed(job["_id"]), failed(job["_id"], kind=ErrorKind.STALLED))
    assert (await keeper.job(job["_id"]))["error"]["kind"] == "exhausted"
    assert None not in [await keeper.raw_letter(story.letter_id(n)) for n in range(2)]
    assert story.heard.events == [(job["_id"], "failed", 3)]


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.CANCELLED, JobState.PENDING])
async def test_a_letter_that_comes_too_late_is_kept_and_changes_nothing(
    keeper: Keeper, story: Story, state: JobState
) -> None:
    job = job_record(state, 3)
    await keeper.put(job)
    await story.park(failed(job["_id"], 2))
    after = await keeper.job(job["_id"])
    assert (after["state"], after["version"]) == (state, 3)
    assert await keeper.raw_letter(story.letter_id(0)) == encode(failed(job["_id"], 2))
    assert story.heard.events == []
    assert story.dropped("stale_version") == 1


async def test_the_letter_of_an_unknown_job_is_kept_and_counted(keeper: Keeper, story: Story) -> None:
    await story.park(failed("0198c0de-0000-7000-8000-000000000000"))
    assert await keeper.raw_letter(story.letter_id(0)) is not None
    assert story.dropped("unknown_job") == 1


async def test_rejected_bytes_come_out_of_their_letter_exactly(keeper: Keeper, story: Story) -> None:
    poison = bytes(range(256)) * 4_000
    await story.park(
        encode(reject(Stood(poison, topic="jobs", partition=1, offset=77), UnreadableError("no")))
    )
    assert await keeper.raw_letter(story.letter_id(0)) == poison


async def test_noise_on_dead_letter_itself_is_kept_exactly_and_what_stands_behind_it_goes_on(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)
    noise = [b"", None, b"\xff\xfe", b"{}", b'{"type":"message.rejected.v2"}', b"\x80" * 943_718]
    misplaced = encode(succeeded(job["_id"]))

    await story.park(*noise, misplaced, failed(job["_id"]), start=5)

    kept = [await keeper.raw_letter(story.letter_id(5 + n)) for n in range(7)]
    assert kept == [value or b"" for value in noise] + [misplaced]
    assert story.heard.events == [(job["_id"], "failed", 3)]


async def test_the_same_offset_on_another_cluster_is_another_letter(keeper: Keeper) -> None:
    first, second = Story(keeper), Story(keeper)
    await first.park(b"first")
    await second.park(b"second")
    assert await keeper.raw_letter(first.letter_id(0)) == b"first"
    assert await keeper.raw_letter(second.letter_id(0)) == b"second"


async def test_the_same_offset_on_a_topic_that_was_made_anew_is_another_letter(
    keeper: Keeper, story: Story
) -> None:
    await story.park(b"first")
    await story.park(b"second", taken_at=TAKEN_AT + 1)
    assert await keeper.raw_letter(story.letter_id(0)) == b"first"
    assert await keeper.raw_letter(story.letter_id(0, taken_at=TAKEN_AT + 1)) == b"second"


async def test_the_cluster_is_asked_for_its_id_once(story: Story) -> None:
    await story.park(b"?")
    await story.park(b"?", start=1)
    assert story.asked == 1


async def test_an_endless_error_is_cut_in_the_record_and_whole_in_the_letter(
    keeper: Keeper, story: Story
) -> None:
    job = job_record()
    await keeper.put(job)
    letter = failed(job["_id"], error=ErrorInfo(type="Long", message="x" * 1_500_000))
    await story.park(letter)
    assert len((await keeper.job(job["_id"]))["error"]["message"]) == 4_096
    assert await keeper.raw_letter(story.letter_id(0)) == encode(letter)


async def test_a_failure_is_counted_in_its_minute_once_however_often_its_letter_comes(
    keeper: Keeper, story: Story
) -> None:
    task = f"counted-{uuid4()}"
    began = datetime.now(UTC) - timedelta(seconds=1)
    ran = job_record(task=task, waited=2_000, started_at=began)
    stalled, expired = job_record(task=task), job_record(JobState.PENDING, task=task, expire_by=began)
    await keeper.put(ran, stalled, expired)
    letters = [
        failed(ran["_id"], kind=ErrorKind.REJECTED),
        failed(stalled["_id"], kind=ErrorKind.STALLED),
        failed(expired["_id"], kind=ErrorKind.EXPIRED),
    ]
    await story.park(letters[0])
    for start in (1, 4):
        await story.park(*letters, start=start)
    ended = await keeper.ended(task)
    assert (ended["finished"], ended["failed"], ended["wait.sum"], ended["wait.classes.44"]) == (0, 3, 2, 1)
    assert 1 <= ended["run.sum"] < 60
    assert sum(n for path, n in ended.items() if path.startswith("run.classes")) == 1


@in_mongodb
async def test_a_letter_says_where_it_stood_and_what_it_is_about(keeper: Keeper, story: Story) -> None:
    assert isinstance(keeper, MongoKeeper)
    job = job_record()
    await keeper.put(job)
    await story.park(failed(job["_id"]), b"noise")
    letters = keeper.mongo.collection(Collection.DEAD_LETTERS)
    about_job = await letters.find_one({"_id": story.letter_id(0)})
    noise = await letters.find_one({"_id": story.letter_id(1)})

    assert about_job["origin"] | {"timestamp": None} == {
        "topic": "dead-letter",
        "partition": 0,
        "offset": 0,
        "timestamp": None,
    }
    assert [about_job[k] for k in ("kind", "job", "task", "owner", "attempts", "redriven")] == [
        "exhausted",
        job["_id"],
        "noop",
        "default",
        5,
        0,
    ]
    assert "source" not in about_job
    assert noise["kind"] == "message_rejected"
    assert noise["source"] == noise["origin"]
    assert not {"job", "task", "owner", "attempts"} & set(noise)


@in_mongodb
@pytest.mark.parametrize("days", [1, 30])
async def test_a_letter_outlives_its_job_whatever_the_settings_say(keeper: Keeper, days: int) -> None:
    assert isinstance(keeper, MongoKeeper)
    story = Story(keeper, letter_retention=timedelta(days=days))
    job = job_record()
    await keeper.put(job)
    await story.park(failed(job["_id"]))
    letter = await keeper.mongo.collection(Collection.DEAD_LETTERS).find_one({"_id": story.letter_id(0)})
    assert letter["expire_at"] - (await keeper.job(job["_id"]))["expire_at"] > timedelta(days=6)

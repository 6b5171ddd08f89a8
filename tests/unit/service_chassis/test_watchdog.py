"""When a reader is taken for stuck, and when it is left alone."""

from aiokafka import TopicPartition

from service_chassis.metrics import Metrics
from service_chassis.offsets import OffsetsError
from service_chassis.settings import KafkaSettings
from service_chassis.watchdog import Watchdog

PATIENCE = KafkaSettings().stuck_after
HERE, THERE = TopicPartition("jobs", 0), TopicPartition("jobs", 1)


class Reader:
    topic, group = "jobs", "job-worker"

    def __init__(self) -> None:
        self.activity, self.waits_on_purpose, self.mine = 0, False, [0]
        self.reasons: list[str] = []
        self.restarts, self.dies = 0, True

    def partitions(self) -> list[int]:
        return self.mine

    def say_stuck(self, reason: str) -> None:
        self.reasons.append(reason)

    async def restart(self) -> bool:
        self.restarts += 1
        return self.dies


class Rig:
    def __init__(self) -> None:
        self.reader, self.now, self.ended = Reader(), 0.0, 0
        self.end, self.done, self.away = {HERE: 10, THERE: 0}, {HERE: 3}, False
        self.dog = Watchdog(
            self.reader,
            offsets=self,
            patience=PATIENCE,
            clock=lambda: self.now,
            metrics=Metrics(),
            end=self._end,
        )

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        if self.away:
            raise OffsetsError("away")
        return self.end

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        return dict(self.done)

    def _end(self) -> None:
        self.ended += 1

    async def pass_time(self, share: float) -> None:
        """Let so many times the patience pass, with looks in between."""
        for _ in range(8):
            self.now += share * PATIENCE.total_seconds() / 8
            await self.dog.look()


async def test_a_reader_without_progress_is_made_anew_and_then_the_process_ends() -> None:
    rig = Rig()
    await rig.pass_time(0.9)
    assert rig.reader.restarts == 0
    await rig.pass_time(0.5)
    assert (rig.reader.restarts, rig.ended) == (1, 0)
    assert "7 messages waiting" in rig.reader.reasons[0]
    await rig.pass_time(1.2)
    assert rig.reader.restarts == 1
    assert rig.ended, "whoever looks after the process starts it again"


async def test_the_process_ends_with_a_reader_that_does_not() -> None:
    rig = Rig()
    rig.reader.dies = False
    await rig.pass_time(1.3)
    assert (rig.reader.restarts, rig.ended) == (1, 1), "its partitions must be given to somebody else"


async def test_progress_after_the_restart_is_forgiveness() -> None:
    rig = Rig()
    await rig.pass_time(1.3)
    assert rig.reader.restarts == 1
    rig.reader.activity += 1
    await rig.pass_time(0.5)
    await rig.pass_time(1)
    assert (rig.reader.restarts, rig.ended) == (2, 0), "a later trouble is a new one"


async def test_commits_batches_and_an_empty_queue_are_progress() -> None:
    rig = Rig()
    for change in range(6):
        await rig.pass_time(0.7)
        if change % 2:
            rig.reader.activity += 1
        else:
            rig.done[HERE] += 1
    rig.done[HERE] = 10
    await rig.pass_time(5)
    assert (rig.reader.restarts, rig.ended) == (0, 0)


async def test_who_waits_on_purpose_and_who_cannot_ask_kafka_is_left_alone() -> None:
    rig = Rig()
    rig.reader.waits_on_purpose = True
    await rig.pass_time(5)
    rig.reader.waits_on_purpose, rig.away = False, True
    await rig.pass_time(5)
    assert (rig.reader.restarts, rig.ended) == (0, 0)


async def test_the_partitions_of_others_are_theirs_to_read() -> None:
    rig = Rig()
    rig.end, rig.done = {HERE: 3, THERE: 50}, {HERE: 3}
    await rig.pass_time(3)
    assert rig.reader.restarts == 0


async def test_a_reader_without_partitions_answers_for_a_group_that_stands_still() -> None:
    rig = Rig()
    rig.reader.mine = []
    await rig.pass_time(1.3)
    assert rig.reader.restarts == 1

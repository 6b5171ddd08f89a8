"""Which record is to blame when a batch fails, and when none is."""

from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from service_chassis.batch_handler import MAX_IN_A_ROW, ONE_IN, BatchHandler, BlameLimit
from service_chassis.metrics import Metrics
from service_chassis.outages import is_outage
from service_chassis.passed_records import passed
from service_chassis.publisher import PublishError, RefusedError
from service_chassis.raw_messages import Records

PLACE = TopicPartition("jobs", 0)


def record(offset: int) -> ConsumerRecord:
    return ConsumerRecord("jobs", 0, offset, 0, 0, b"", b"%d" % offset, None, 0, 0, ())


RECORDS = tuple(record(offset) for offset in range(64))


class Rig:
    def __init__(self, *, bad: set[int], tells_passed: bool = False) -> None:
        self.bad, self.clock, self.slept = bad, 0.0, 0.0
        self.handled: list[int] = []
        self.kept: list[tuple[int, str]] = []
        self.outages = 0
        self.metrics = Metrics()
        self.handler = BatchHandler(
            "jobs",
            self.metrics,
            tells_passed=tells_passed,
            sleep=self.sleep,
            limit=BlameLimit(lambda: self.clock),
        )
        self.handler.quarantine = self.keep

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.clock += seconds

    async def on_records(self, records: Records) -> None:
        if self.outages:
            self.outages -= 1
            raise AutoReconnect("the database is away")
        if self.bad & {r.offset for r in records}:
            raise OverflowError("date value out of range")
        self.handled += [r.offset for r in records]

    async def keep(self, record: ConsumerRecord, error: Exception) -> None:
        self.kept.append((record.offset, type(error).__name__))

    async def handle(self, *records: Any) -> None:
        await self.handler.handle(self.on_records, records)

    def counted(self, outcome: str) -> float:
        labels = {"topic": "jobs", "outcome": outcome}
        return self.metrics.registry.get_sample_value("records_quarantined_total", labels) or 0


@pytest.mark.parametrize("bad", [{0}, {63}, {31, 32}, {1, 7, 40}])
async def test_a_record_that_fails_alone_is_quarantined_and_the_others_are_handled(bad: set[int]) -> None:
    rig = Rig(bad=bad)
    await rig.handle(*RECORDS)
    assert rig.kept == [(offset, "OverflowError") for offset in sorted(bad)]
    assert sorted(rig.handled) == [offset for offset in range(64) if offset not in bad]
    assert not rig.handler.trouble


async def test_an_outage_blames_no_record_however_long_it_lasts() -> None:
    rig = Rig(bad=set())
    rig.outages = 1_000
    await rig.handle(*RECORDS)
    assert rig.kept == []
    assert rig.handled == list(range(64))


async def test_an_error_on_every_record_makes_few_dead_letters_and_is_said() -> None:
    rig = Rig(bad=set(range(64)))
    reached: list[str] = []

    async def heals(seconds: float) -> None:
        await Rig.sleep(rig, seconds)
        if rig.handler.trouble:
            reached.append(rig.handler.trouble)
            if rig.slept > 10 * ONE_IN.total_seconds():
                rig.bad.clear()

    rig.handler._sleep = heals
    await rig.handle(*RECORDS)
    assert "failed for no outage" in reached[0]
    assert MAX_IN_A_ROW <= len(rig.kept) <= MAX_IN_A_ROW + 10
    assert len(rig.handled) + len(rig.kept) == 64
    assert not rig.handler.trouble


async def test_many_hostile_records_in_a_row_do_not_stop_their_topic_for_good() -> None:
    bad = set(range(MAX_IN_A_ROW + 5))
    rig = Rig(bad=bad)
    await rig.handle(*RECORDS)
    assert {offset for offset, _ in rig.kept} == bad
    assert len(rig.handled) == 64 - len(bad)
    assert rig.slept >= 4 * ONE_IN.total_seconds()


async def test_what_cannot_be_kept_is_dropped_and_counted() -> None:
    rig = Rig(bad={5})

    async def fails(_: ConsumerRecord, __: Exception) -> None:
        raise ValueError("no")

    rig.handler.quarantine = fails
    await rig.handle(*RECORDS)
    assert (rig.counted("dropped"), rig.counted("kept")) == (1, 0)
    assert len(rig.handled) == 63


async def test_bytes_that_are_no_record_are_kept_once_and_handlers_do_not_see_them() -> None:
    rig = Rig(bad=set())
    first = passed(PLACE, 0, 0, raw=b"bytes", reason="broken", batch=0)
    again = passed(PLACE, 1, 1, raw=b"bytes", reason="broken", batch=0)
    mark = passed(PLACE, 2, 2)
    await rig.handle(first, again, mark, record(3))
    assert rig.kept == [(0, "UnreadableRecordError")]
    assert rig.handled == [3]


async def test_a_handler_that_keeps_places_sees_what_was_passed() -> None:
    rig = Rig(bad=set(), tells_passed=True)
    await rig.handle(passed(PLACE, 0, 2), record(3))
    assert rig.handled == [2, 3]


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (AutoReconnect("gone"), True),
        (KafkaConnectionError("gone"), True),
        (TimeoutError(), True),
        (ConnectionError(), True),
        (OperationFailure("not authorized", 13), True),
        (OperationFailure("failed to parse", 9), False),
        (BulkWriteError({"writeErrors": [{"code": 2, "errmsg": "bad value"}]}), False),
        (OverflowError(), False),
        (KeyError("x"), False),
        (PublishError("no"), True),
        (RefusedError("too large"), False),
    ],
)
def test_what_servers_are_to_blame_for_is_an_outage(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage

"""What is read from `job-events`, what is skipped, and what is dropped."""

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from api.cursor import Cursor
from api.fanout import Filters, Hub, Mailbox
from api.receiving import Heard, Receiving
from api.ring import Ring
from job_contracts.messages import JobChanged, encode, headers_of
from job_contracts.topics import Topic
from service_chassis.metrics import Metrics
from service_chassis.passed_records import PassedRecord, passed
from tests.unit.api.events import JOB, changed


class Rig:
    def __init__(self) -> None:
        self.hub, self.metrics = Hub(), Metrics()
        self.ring = Ring[Heard](kept=timedelta(minutes=5), room=1 << 20, clock=lambda: 100.0)
        self.ring.begin("c1", {0: 0}, {0: 0})
        self.offset = 0
        self.heard: list[tuple[bytes | None, Mapping[str, bytes]]] = []
        self.receiving = Receiving(
            hub=self.hub,
            ring=self.ring,
            dropped=self.metrics.dropped,
            cluster=self.cluster,
            heard=lambda job_id, headers: self.heard.append((job_id, headers)),
        )

    async def cluster(self) -> str:
        return "c1"

    def take(self, *records: Any) -> None:
        for record in records:
            if not isinstance(record, PassedRecord):
                record.offset = self.offset
            self.offset = record.offset + 1
        self.receiving.take(records)

    def follow(self) -> Mailbox:
        box = Mailbox(room=9)
        self.hub.follow("default", Filters(), box)
        return box

    def dropped(self, reason: str) -> float:
        return (
            self.metrics.registry.get_sample_value(
                "messages_dropped_total", {"topic": Topic.JOB_EVENTS, "reason": reason}
            )
            or 0.0
        )


def _record(message: JobChanged, state: str = "running", **changes: Any) -> Any:
    fields = {
        "key": message.job_id.encode(),
        "value": encode(message),
        "headers": headers_of(message, state=state),
        "partition": 0,
        "timestamp": 99_000,
        **changes,
    }
    return SimpleNamespace(**fields)


def test_what_nobody_wants_is_not_even_decoded() -> None:
    rig = Rig()
    rig.take(_record(changed(1, 1), value=b"not looked at"))
    assert rig.dropped("unreadable") == 0


@pytest.mark.parametrize(
    "value", [None, b"", b"noise", b'{"type":"job.changed.v1"}', b"\xff", b'{"type":"job.changed.v9"}']
)
def test_noise_is_dropped_and_counted(value: bytes | None) -> None:
    rig = Rig()
    box = rig.follow()
    rig.take(_record(changed(1, 1), value=value), _record(changed(2, 1)))
    assert rig.dropped("unreadable") == 1
    assert [event.job_id for event in box.take()] == [JOB.format(2)]


@pytest.mark.parametrize("job", [b"5", b'{"id":1}', b'"x"', b'{"task":"a","state":"b"}'])
def test_an_event_without_a_view_in_it_is_noise(job: bytes) -> None:
    rig = Rig()
    box = rig.follow()
    value = encode(changed(1, 1)).replace(bytes(changed(1, 1).job), job)
    rig.take(_record(changed(1, 1), value=value))
    assert (rig.dropped("unreadable"), box.is_empty) == (1, True)


def test_a_long_event_without_a_view_in_it_is_noise() -> None:
    rig = Rig()
    box = rig.follow()
    job = b'{"task":"a","state":"b","tags":[],"batch":null,"payload":"%s"}' % (b"x" * 9_000)
    value = encode(changed(1, 1)).replace(bytes(changed(1, 1).job), job)
    rig.take(_record(changed(1, 1), value=value))
    assert (rig.dropped("unreadable"), box.is_empty) == (1, True)


def test_marks_of_transactions_and_broken_batches_reset_no_stream_and_lose_no_cursor() -> None:
    rig = Rig()
    box = rig.follow()
    rig.take(_record(changed(1, 1)))
    cursor = Cursor.parse(rig.ring.place)
    place = TopicPartition("job-events", 0)
    rig.take(passed(place, 1, 1), passed(place, 2, 4, raw=b"?", reason="broken"), _record(changed(2, 1)))
    assert (box.missed, rig.dropped("unreadable")) == ("", 1)
    assert cursor is not None
    missed = rig.ring.after(cursor)
    assert missed is not None
    assert [event.job_id for heard in missed if (event := heard.event())] == [JOB.format(2)]


def test_bytes_that_claim_more_offsets_than_a_batch_has_tell_streams_to_read_anew() -> None:
    rig = Rig()
    box = rig.follow()
    rig.take(passed(TopicPartition("job-events", 0), 0, 500_000, raw=b"?", reason="broken"))
    assert box.missed == "events were lost"
    assert rig.ring.bytes < 1 << 20


@pytest.mark.parametrize("headers", [[], [("owner", b"\xff\xfe")], [("state", None), ("owner", None)]])
def test_headers_that_make_no_sense_are_ignored_and_the_body_counts(headers: Any) -> None:
    rig = Rig()
    box = rig.follow()
    rig.take(_record(changed(1, 1), headers=headers, key=None))
    assert len(box.take()) == 1


def test_what_is_older_than_what_was_sent_is_counted_and_dropped() -> None:
    rig = Rig()
    rig.follow()
    rig.take(_record(changed(1, 2)), _record(changed(1, 1)), _record(changed(1, 2)))
    assert rig.dropped("stale_version") == 2


def test_whoever_keeps_older_news_hears_of_every_job_though_nobody_else_wants_it() -> None:
    rig = Rig()
    rig.take(_record(changed(1, 3)))
    (job_id, headers), *others = rig.heard
    assert (job_id, headers["version"], others) == (JOB.format(1).encode(), b"3", [])

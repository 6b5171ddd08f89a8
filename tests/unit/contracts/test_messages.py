"""What travels on Kafka: exact bytes in, exact bytes out, and a clear no to everything else."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from job_contracts.messages import (
    PUBLISHED,
    MessageRejected,
    UnreadableError,
    encode,
    headers_of,
    is_job_id,
    read_dead_letter,
    read_event,
    read_requested,
    read_succeeded,
)
from job_contracts.rejection import origin_of, reject
from job_contracts.topics import MAX_MESSAGE_BYTES, TOPICS, Topic
from tests.contract.builders import Stood, failed, succeeded

JOB = "0198c0de-0000-7000-8000-000000000000"
READERS: dict[Topic, Callable[[bytes | None], object]] = {
    Topic.JOBS: read_requested,
    Topic.RESULTS: read_succeeded,
    Topic.DEAD_LETTER: read_dead_letter,
    Topic.JOB_EVENTS: read_event,
}

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(value=json_values)
@example(value=2**70)
@example(value={"$$ROOT": ["ü☃\u2028", {"nested": [[[]]]}], "": "\x00"})
def test_a_result_comes_out_as_the_bytes_that_went_in(value: object) -> None:
    result = json.dumps(value, ensure_ascii=False).encode()

    read = read_succeeded(encode(succeeded(JOB, result=result)))

    assert bytes(read.result) == result


@given(
    noise=st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.integers(0, 199).map(lambda end: encode(succeeded(JOB))[:end])
)
@example(noise=b"")
@example(noise=b"\xff\xfe")
@example(noise=b"[" * 5_000)
@example(noise=b'{"type":"job.succeeded.v2"}')
@pytest.mark.parametrize("topic", Topic)
def test_whatever_is_no_message_is_unreadable_and_nothing_else(topic: Topic, noise: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        READERS[topic](noise)
        assert json.loads(noise)["type"] in {str(m.__struct_config__.tag) for m in PUBLISHED[topic]}


@pytest.mark.parametrize("topic", Topic)
def test_a_message_without_a_value_is_unreadable(topic: Topic) -> None:
    with pytest.raises(UnreadableError):
        READERS[topic](None)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": 2**54},
        {"attempt": 2**70},
        {"attempt": -1},
        {"job_id": "x" * 36},
        {"job_id": JOB.upper()},
        {"type": "job.succeeded.v2"},
        {"type": None},
        {"owner": None},
    ],
)
def test_a_value_out_of_bounds_makes_a_message_unreadable(change: dict[str, object]) -> None:
    message = json.loads(encode(succeeded(JOB))) | change
    with pytest.raises(UnreadableError):
        read_succeeded(json.dumps(message).encode())


def test_undecodable_bytes_inside_a_result_make_the_message_unreadable() -> None:
    with pytest.raises(UnreadableError):
        read_succeeded(encode(succeeded(JOB)).replace(b'"answer"', b'"\xff"'))


def test_a_reader_ignores_fields_it_does_not_know() -> None:
    message = json.loads(encode(succeeded(JOB))) | {"invented": {"later": True}}
    assert read_succeeded(json.dumps(message).encode()).job_id == JOB


@given(raw=st.binary(max_size=2_000))
def test_rejected_bytes_are_kept_exactly(raw: bytes) -> None:
    letter = read_dead_letter(encode(reject(Stood(raw), UnreadableError("no"))))
    assert isinstance(letter, MessageRejected)
    assert letter.raw == raw


@pytest.mark.parametrize(
    "moment",
    [
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59.999999-00:01",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00+00:01",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-06-30T23:59:60Z",
        "2026-06-30T24:00:00Z",
        "2026-06-30T12:00:00+99:99",
        "2026-06-30T12:00:00",
    ],
)
def test_a_moment_that_utc_does_not_have_makes_a_message_unreadable(moment: str) -> None:
    for read, message in _dated(moment):
        with pytest.raises(UnreadableError):
            read(json.dumps(message).encode())


@pytest.mark.parametrize(
    "moment",
    [
        "9999-12-31T23:59:59+14:00",
        "0001-01-01T00:00:00-14:00",
        "2026-06-30T12:00:00.123456789123456789Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
def test_moments_in_messages_are_in_utc(moment: str) -> None:
    for read, message in _dated(moment):
        read_message: Any = read(json.dumps(message).encode())
        is_letter = isinstance(read_message, MessageRejected)
        there = read_message.source.timestamp if is_letter else read_message.expire_by
        assert there.tzinfo is UTC


def _dated(moment: str) -> list[tuple[Callable[[bytes], object], dict[str, Any]]]:
    """Each message that holds a moment, with this one in it."""
    letter = json.loads(encode(reject(Stood(b"?"), UnreadableError("no"))))
    letter["source"]["timestamp"] = moment
    request = {
        "type": "job.requested.v1", "job_id": JOB, "owner": "default", "version": 1, "attempt": 1,
        "task": "noop", "payload": {}, "timeout": 1, "max_attempts": 1, "expire_by": moment,
    }  # fmt: skip
    return [(read_dead_letter, letter), (read_requested, request)]


@given(timestamp=st.integers(-(2**63), 2**63 - 1))
@example(timestamp=-1)
@example(timestamp=2**63 - 1)
def test_no_timestamp_of_a_producer_stops_the_reader(timestamp: int) -> None:
    letter = reject(Stood(b"?", timestamp=timestamp), UnreadableError("no"))
    assert read_dead_letter(encode(letter)) == letter


def test_a_reason_that_quotes_a_huge_message_still_fits_beside_it() -> None:
    huge = b'{"type":"' + b"x" * 1_000_000 + b'"}'
    with pytest.raises(UnreadableError) as caught:
        read_succeeded(huge)
    assert len(encode(reject(Stood(huge), caught.value))) < MAX_MESSAGE_BYTES


def test_whatever_fits_on_jobs_and_results_fits_on_dead_letter_in_base64() -> None:
    sizes = {spec.name: int(spec.configs.get("max.message.bytes", 2**20)) for spec in TOPICS}
    assert max(sizes[Topic.JOBS], sizes[Topic.RESULTS]) * 4 / 3 + 10_000 < sizes[Topic.DEAD_LETTER]


def test_no_message_is_dated_by_its_sender_whose_clock_may_be_wrong() -> None:
    assert {spec.configs.get("message.timestamp.type") for spec in TOPICS} == {"LogAppendTime"}


def test_an_origin_says_where_the_message_stood() -> None:
    origin = origin_of(Stood(b"", topic="jobs", partition=3, offset=812, timestamp=0))
    assert (origin.topic, origin.partition, origin.offset) == ("jobs", 3, 812)
    assert origin.timestamp.isoformat() == "1970-01-01T00:00:00+00:00"


def test_headers_let_a_reader_skip_without_decoding() -> None:
    headers = dict(headers_of(failed(JOB, 7), state="failed"))
    assert headers == {
        "type": b"job.failed.v1",
        "owner": b"default",
        "version": b"7",
        "task": b"noop",
        "state": b"failed",
    }


def test_the_trace_travels_in_the_headers() -> None:
    message = msgspec.structs.replace(succeeded(JOB), traceparent="00-ab-cd-01")
    assert dict(headers_of(message))["traceparent"] == b"00-ab-cd-01"


def test_each_message_stands_on_one_topic_and_its_type_holds_its_version() -> None:
    tags = [str(m.__struct_config__.tag) for messages in PUBLISHED.values() for m in messages]
    assert len(tags) == len(set(tags))
    assert all(tag.rpartition(".v")[2].isdigit() for tag in tags)


@given(job_id=st.uuids())
def test_a_uuid_in_canonical_form_is_a_job_id(job_id: object) -> None:
    assert is_job_id(str(job_id))


@given(job_id=text)
def test_other_text_is_no_job_id(job_id: str) -> None:
    assert not is_job_id(job_id) or len(job_id) == 36


def test_raw_fields_are_carried_not_decoded() -> None:
    assert isinstance(read_succeeded(encode(succeeded(JOB))).result, Raw)

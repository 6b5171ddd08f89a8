"""The view of a job: what its owner sees over HTTP and in live events."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_contracts.lifecycle import JobState
from job_contracts.messages import encode, read_event, read_requested
from job_contracts.record import INLINE_LIMIT
from job_contracts.views import (
    TOLD,
    attempt_of,
    changed,
    encode_view,
    event_headers,
    job_view,
    one_line,
    requested,
)
from tests.contract.builders import job_record

json_text = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab$ü"), inner, max_size=3),
    max_leaves=8,
).map(msgspec.json.encode)


def seen(record: dict[str, Any], result: bytes | None = None, **options: int) -> dict[str, Any]:
    view: dict[str, Any] = msgspec.json.decode(encode_view(job_view(record, result, **options)))
    return view


def test_a_new_job_shows_every_field_of_the_contract() -> None:
    view = seen(job_record(JobState.PENDING, 1))
    assert set(view) == {
        *("id", "task", "state", "reason", "version", "revision", "attempt", "max_attempts", "payload"),
        *("result", "error", "progress", "tags", "batch", "unique_key", "cancel_requested", "redrives"),
        *("priority", "expire_by"),
        *("wake_at", "created_at", "started_at", "finished_at"),
    }
    assert (view["attempt"], view["tags"], view["reason"], view["wake_at"]) == (0, [], None, None)


def test_view_and_event_are_built_from_the_fields_that_are_told() -> None:
    read: set[str] = set()

    class Spied(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            read.add(name)
            return super().__getitem__(name)

        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

        def __contains__(self, name: object) -> bool:
            read.add(str(name))
            return super().__contains__(name)

    for state in JobState:
        record = Spied(job_record(state, 3, has_result=True))
        event_headers(changed(record), record)
    assert read == {"_id", *TOLD}


@given(payload=json_text, result=json_text)
def test_payload_and_result_stand_in_the_view_as_they_are(payload: bytes, result: bytes) -> None:
    record = job_record(JobState.SUCCEEDED, 3, payload=payload.decode(), has_result=True)
    encoded = encode_view(job_view(record, result))
    assert b'"payload":' + payload in encoded
    assert b'"result":' + result in encoded


@pytest.mark.parametrize(("size", "inline"), [(INLINE_LIMIT, True), (INLINE_LIMIT + 1, False)])
def test_a_result_over_the_limit_is_had_at_its_address(size: int, inline: bool) -> None:
    record = job_record(JobState.SUCCEEDED, 3, has_result=True)
    view = seen(record, b'"' + b"x" * (size - 2) + b'"')
    assert (view["result"] is not None) == inline
    assert ("result_url" in view) == (not inline)


def test_a_result_nobody_has_read_yet_is_had_at_its_address() -> None:
    record = job_record(JobState.SUCCEEDED, 3, has_result=True)
    assert seen(record)["result_url"] == f"/jobs/{record['_id']}/result"


def test_a_large_payload_is_left_out() -> None:
    assert seen(job_record(payload='"' + "x" * 5_000 + '"'), limit=4_096)["payload"] is None


@pytest.mark.parametrize(
    ("state", "failures", "attempt"),
    [
        (JobState.PENDING, 0, 0),
        (JobState.RUNNING, 0, 1),
        (JobState.WAITING, 1, 1),
        (JobState.RUNNING, 1, 2),
        (JobState.SUCCEEDED, 1, 2),
        (JobState.FAILED, 5, 5),
    ],
)
def test_the_attempt_is_the_running_or_else_the_last_one(
    state: JobState, failures: int, attempt: int
) -> None:
    assert attempt_of(job_record(state, failures=failures)) == attempt


def test_only_a_waiting_job_says_when_it_wakes() -> None:
    shown = {state: seen(job_record(state))["wake_at"] is not None for state in JobState}
    assert [state for state, wakes in shown.items() if wakes] == [JobState.WAITING]


def test_the_error_of_a_failed_attempt_has_no_kind_yet() -> None:
    view = seen(job_record(JobState.WAITING, error={"type": "Retry", "message": "503"}))
    assert view["error"] == {"kind": None, "type": "Retry", "message": "503"}


@given(text=st.text(st.characters(exclude_categories=["Cs"])), state=st.sampled_from(list(JobState)))
def test_the_event_of_a_job_can_be_read_and_is_one_line(text: str, state: JobState) -> None:
    payload = one_line(msgspec.json.format(msgspec.json.encode({"a": [text]}), indent=2))
    event = encode(
        changed(job_record(state, payload=payload.decode(), error={"type": text, "message": text}))
    )
    assert b"\n" not in event
    assert b"\r" not in event
    assert read_event(event).job_id


def test_the_request_for_a_job_names_its_next_attempt() -> None:
    record = job_record(JobState.PENDING, 4, failures=2, payload='{"n":1180591620717411303424}')
    message = read_requested(encode(requested(record)))
    assert (message.version, message.attempt, message.timeout) == (4, 3, 30.0)
    assert bytes(message.payload) == b'{"n":1180591620717411303424}'


@given(value=json_text)
def test_taking_out_line_breaks_changes_no_value(value: bytes) -> None:
    spread = msgspec.json.format(value, indent=2).replace(b"\n", b"\r\n")
    flat = one_line(spread)
    assert not set(flat) & set(b"\r\n")
    assert msgspec.json.decode(flat) == msgspec.json.decode(value)

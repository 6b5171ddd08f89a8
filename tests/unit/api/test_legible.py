"""Moments at the ends of time, and what is stored that nobody can show."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Raw
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError

from api.legible import Legible
from api.moments import in_utc
from api.problems import Problem
from api.routes.queries import DeadLetterQuery, JobQuery
from job_contracts.views import encode_view, job_view
from tests.unit.api.fakes import NOW, record
from tests.unit.api.test_submission import Rig

ENDS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+00:01"]


@pytest.mark.parametrize("moment", ENDS)
def test_a_moment_that_no_calendar_of_utc_has_is_refused_in_every_query(moment: str) -> None:
    for query, names in (
        (DeadLetterQuery, ("after", "before")),
        (JobQuery, ("created_after", "created_before")),
    ):
        for name in names:
            with pytest.raises(ValidationError, match="years 1 to 9999"):
                query.model_validate({name: moment})


def test_a_moment_is_taken_in_utc() -> None:
    query = DeadLetterQuery.model_validate({"after": "2026-01-01T00:00:00+14:00"})
    assert query.after is not None
    assert query.after.tzinfo is UTC
    assert in_utc(datetime(9999, 12, 31, tzinfo=UTC)).year == 9999


@pytest.mark.parametrize("moment", ENDS)
async def test_a_job_is_not_put_off_to_the_end_of_time(moment: str) -> None:
    problem: Problem = await Rig().refused({"task": "noop", "run_at": moment})
    assert [error.pointer for error in problem.errors] == ["/run_at"]


BAD: list[dict[str, Any]] = [
    record("bad", payload="no JSON"),
    record("bad", created_at="never"),
    record("bad", state="running", failures="many"),
    record("bad", error={"message": "no type"}),
    record("bad", tags=[object()]),
    {"_id": "bad"},
]


@pytest.mark.parametrize("bad", BAD)
def test_a_record_that_cannot_be_shown_is_left_out_and_counted(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    skipped = Counter("skipped", "", ["list"], registry=CollectorRegistry())
    bad = bad | {"created_at": object()} if bad.get("created_at") == "never" else bad
    shown = Legible(skipped).shown(
        [record("a"), bad, record("b", created_at=NOW)],
        lambda stored: Raw(encode_view(job_view(stored))),
        of="jobs",
    )
    assert [b'"id":"a"' in bytes(shown[0]), b'"id":"b"' in bytes(shown[1])] == [True, True]
    assert len(shown) == 2
    assert skipped.labels("jobs")._value.get() == 1
    assert "record.not_shown" in caplog.text

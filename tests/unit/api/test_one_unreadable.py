"""One record that nobody can show: who asks for it hears so, and nobody else is hindered by it."""

from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter

from api.dead_letters import DeadLetters, LetterFilters, letter_query
from api.fanout import Hub
from api.following import Following
from api.http import http_app
from api.legible import Legible
from api.listing import result_ids, write_cursor
from api.problems import Problem
from api.ring import Ring
from api.routes.events import OneJob
from api.routes.jobs import job_routes
from api.routes.one_job import one_job_routes
from api.routes.reading import reading_routes
from api.statistics import Statistics
from api.store import MongoJobStore
from api.task_store import MongoTaskStore
from api.waiting import Waiting
from job_contracts.record import Collection
from service_chassis.mongo import Mongo
from service_chassis.server import AsgiApp
from tests.unit.api.fakes import NOW, record

JOB = "0198c0de-0000-7000-8000-000000000001"
ANY: Any = MagicMock()


class FakeMongo:
    """Finds the same in a collection, whatever is asked."""

    def __init__(self, **found: list[dict[str, Any]]) -> None:
        self._found = found

    def now(self) -> datetime:
        return NOW

    def collection(self, name: Collection) -> Any:
        found = self._found.get(str(name), [])
        chain = MagicMock()
        for step in ("find", "sort", "limit", "hint", "max_time_ms"):
            getattr(chain, step).return_value = chain
        chain.to_list = AsyncMock(return_value=found)
        chain.find_one = AsyncMock(return_value=found[0] if found else None)
        return chain

    async def aggregate(self, name: Collection, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return self._found.get(str(name), [])


class Rig:
    """The app on one stored job and one dead letter."""

    def __init__(self, job: dict[str, Any] | None = None, letter: dict[str, Any] | None = None) -> None:
        self.skipped = Counter("skipped", "", ["list"], registry=CollectorRegistry())
        legible = Legible(self.skipped)
        mongo = cast("Mongo", FakeMongo(jobs=[job] if job else [], dead_letters=[letter] if letter else []))
        store = MongoJobStore(mongo)
        waiting = Waiting(hub=Hub(), store=store, most=1)
        following = Following(
            hub=Hub(), ring=cast("Ring[Any]", None), store=store, streams=ANY, mailbox=1, legible=legible
        )
        self.letters = DeadLetters(mongo, legible=legible)
        self.app: AsgiApp = http_app(
            submit=ANY,
            many=ANY,
            one=OneJob(following),
            routers=[
                job_routes(store=store, legible=legible),
                one_job_routes(store=store, waiting=waiting, legible=legible),
                reading_routes(dead_letters=self.letters, statistics=ANY),
            ],
        )

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await self.app({**scope, "raw_path": path.encode(), "root_path": ""}, receive, send)
        return sent[0]["status"], msgspec.json.decode(sent[1]["body"])

    def counted(self) -> float:
        return sum(s.value for m in self.skipped.collect() for s in m.samples if s.name == "skipped_total")


def unreadable() -> Iterator[tuple[str, dict[str, Any]]]:
    bad: dict[str, list[dict[str, Any]]] = {
        "": [
            {"version": "x"},
            {"revision": None},
            {"payload": "no JSON"},
            {"error": {"message": "no type"}},
            {"state": "running", "failures": "many"},
            {"created_at": object()},
        ],
        "/events": [{"version": "x"}, {"payload": "no JSON"}, {"error": {"message": "no type"}}],
        "/attempts": [{"attempts": [{"outcome": "failed"}]}, {"attempts": 5}, {"state": "running"}],
        "/logs": [{"logs": [{"at": NOW}]}, {"logs": 5}],
        "/result": [{"state": "succeeded", "result": "no JSON"}, {"state": "succeeded", "result": 5j}],
    }
    for path, changes in bad.items():
        for change in changes:
            yield f"/jobs/{JOB}{path}", record(JOB, **change)
    yield f"/jobs/{JOB}", {"_id": JOB}
    yield f"/jobs/{JOB}/events", {"_id": JOB}


@pytest.mark.parametrize(("path", "job"), list(unreadable()))
async def test_who_asks_for_a_job_that_cannot_be_shown_hears_that_it_is_counted(
    path: str, job: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(job)
    status, problem = await rig.get(path)
    assert (status, problem["type"]) == (500, "/problems/unreadable-record")
    assert rig.counted() == 1
    assert "record.not_shown" in caplog.text
    assert "request.failed" not in caplog.text


@pytest.mark.parametrize("letter", [{}, {"kind": "job_failed"}, {"kind": 5, "error": "text"}])
async def test_who_asks_for_a_letter_that_cannot_be_shown_hears_that_it_is_counted(
    letter: dict[str, Any],
) -> None:
    rig = Rig(letter={"_id": "bad", **letter})
    status, problem = await rig.get("/dead-letters/bad")
    assert (status, problem["type"]) == (500, "/problems/unreadable-record")
    assert rig.counted() == 1


BAD_UPSTREAMS: list[dict[str, Any]] = [
    {"_id": "bad", "tasks": 5, "now": NOW},
    {"_id": 5, "tasks": ["noop"], "now": NOW},
    {"_id": "bad", "tasks": [{}], "now": NOW},
    {"_id": "bad", "tasks": ["noop"], "now": NOW, "quota": 5},
    {"_id": "bad", "tasks": ["noop"], "now": NOW, "quota": {"keys": [{"used": 1}], "rates": []}},
    {"_id": "bad", "tasks": ["noop"], "now": NOW, "circuit": "open"},
    {"_id": "bad", "tasks": ["noop"], "now": NOW, "circuit": {"opened": {"since": NOW}}},
]


@pytest.mark.parametrize("bad", BAD_UPSTREAMS)
async def test_an_upstream_that_cannot_be_shown_hides_no_other(bad: dict[str, Any]) -> None:
    good = [{"_id": name, "tasks": ["noop"], "now": NOW} for name in ("b", "a")]
    skipped = Counter("skipped", "", ["list"], registry=CollectorRegistry())
    store = MongoTaskStore(cast("Mongo", FakeMongo(upstreams=[*good, bad])), legible=Legible(skipped))
    assert [view.name for view in await store.upstreams()] == ["a", "b"]
    assert skipped.labels("upstreams")._value.get() == 1


@pytest.mark.parametrize("field", [{"versions": 5}, {"versions": [5]}, {"unavailable": [{}]}])
async def test_a_worker_that_cannot_be_shown_hides_no_task(field: dict[str, Any]) -> None:
    found = {"workers": [{"_id": "w", **field}], "tasks": [{"_id": "noop"}]}
    store = MongoTaskStore(cast("Mongo", FakeMongo(**found)), legible=Legible())
    assert [task["_id"] for task in await store.tasks()] == ["noop"]
    if "unavailable" in field:
        assert await store.unavailable() == []


@pytest.mark.parametrize("moment", [None, "never"])
async def test_a_pending_job_without_a_moment_breaks_no_figures(moment: object) -> None:
    mongo = cast("Mongo", FakeMongo(jobs=[{"_id": JOB, "updated_at": moment}]))
    statistics = Statistics(
        owner="default", mongo=mongo, offsets=ANY, streams=lambda: 0, upstreams=AsyncMock(return_value=[])
    )
    assert await statistics._oldest_pending(["noop"]) is None


@pytest.mark.parametrize("version", [None, "x"])
def test_a_job_whose_version_is_no_number_hides_no_results(version: object) -> None:
    bad, good = record("bad", has_result=True, version=version), record("good", has_result=True, version=3)
    assert result_ids([bad, good]) == [{"job": "good", "version": 2}]


async def test_a_letter_without_a_moment_ends_a_page_and_breaks_none() -> None:
    page = await Rig(letter={"_id": "bad"}).letters.page(LetterFilters(), limit=1, cursor=None)
    assert (page.dead_letters, page.next_cursor) == ([], None)


MOMENTS = [datetime(year, 12, 31, 23, 59, tzinfo=UTC) for year in (1, 1969, 2026, 9999)]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_cursor_behind_a_letter_is_taken_whenever_it_came(moment: datetime) -> None:
    letters = [{"_id": name, "created_at": moment} for name in ("b", "a")]
    read = DeadLetters(cast("Mongo", FakeMongo(dead_letters=letters)))
    page = await read.page(LetterFilters(), limit=1, cursor=None)
    query, _ = letter_query(LetterFilters(), page.next_cursor)
    assert query["created_at"] == {"$lte": moment}


@pytest.mark.parametrize("milliseconds", ["9" * 15, "-" + "9" * 15, "9" * 16, "1.5", "٣", ""])
def test_a_cursor_beyond_all_time_is_refused(milliseconds: str) -> None:
    with pytest.raises(Problem) as caught:
        letter_query(LetterFilters(), write_cursor(milliseconds, "a"))
    assert caught.value.kind.status == 422

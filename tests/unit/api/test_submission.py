"""What a submission must be, and how many share one insert."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import AutoReconnect

from api.batch_drafting import BatchDrafting
from api.catalogue import Catalogue, UnavailableView
from api.problems import Problem
from api.submission import Accepted, Submissions
from tests.support.waiting import until_true
from tests.unit.api.fakes import NOW, SEARCH, FakeAnnouncer, FakeStore, FakeTasks, task_doc

DEEP = b"[" * 65 + b"]" * 65
DEEP_ENOUGH = b"[" * 63 + b"]" * 63


class Rig:
    def __init__(self, patience: float = 2) -> None:
        self.tasks = FakeTasks(
            task_doc("noop"),
            task_doc("image.search", SEARCH, max_attempts=3, timeout=20),
            task_doc("any", {}),
        )
        self.store, self.announcer = FakeStore(), FakeAnnouncer()
        self.submissions = Submissions(
            catalogue=Catalogue(store=self.tasks),
            store=self.store,
            announcer=self.announcer,
            now=lambda: NOW,
            patience=timedelta(seconds=patience),
        )

    async def post(self, body: Any, key: str | None = None) -> Accepted:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.submissions.accept(raw, owner="default", key=key)

    async def waiting(self, count: int) -> None:
        """Let the others run until so many wait behind the insert that is under way."""
        for _ in range(10):
            await asyncio.sleep(0)
        await until_true(
            lambda: len(self.submissions._group) == count, within=1, what=f"{count} to wait", every=0.001
        )

    async def refused(self, body: Any, key: str | None = None) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.post(body, key)
        return caught.value


def _job(**fields: Any) -> dict[str, Any]:
    return {"task": "noop", **fields}


def _payload(text: bytes) -> bytes:
    return b'{"task":"any","payload":' + text + b"}"


BAD: list[tuple[Any, int, list[str]]] = [
    # body, status, pointers that must be named
    (b"", 400, []),
    (b"   ", 400, []),
    (b'{"task":"noop"', 400, []),
    (b'{"task":"noop"}x', 400, []),
    (b"{'task':'noop'}", 400, []),
    (b'\xef\xbb\xbf{"task":"noop"}', 400, []),
    (b'{"task":"\xff"}', 400, []),
    (_payload(b'"\xff"'), 400, []),
    (_payload(b'"a\nb"'), 400, []),
    (_payload(b"[1,]"), 400, []),
    (_payload(b"01"), 400, []),
    (b'"' + b'\\"' * 30_000, 400, []),
    (b"[]", 422, [""]),
    (b'"noop"', 422, [""]),
    (b"null", 422, [""]),
    ({}, 422, ["/task"]),
    ({"task": None}, 422, ["/task"]),
    ({"task": 5}, 422, ["/task"]),
    ({"task": ""}, 422, ["/task"]),
    ({"task": "nope"}, 422, ["/task"]),
    (_job(payload=[]), 422, ["/payload"]),
    (_job(colour="red"), 422, ["/colour"]),
    (_job(unique_key=""), 422, ["/unique_key"]),
    (_job(unique_key="x" * 201), 422, ["/unique_key"]),
    (_job(unique_key=None), 422, ["/unique_key"]),
    (_job(expires_in=0), 422, ["/expires_in"]),
    (_job(expires_in="5"), 422, ["/expires_in"]),
    (_job(expires_in=366 * 86_400 + 1), 422, ["/expires_in"]),
    (_job(expires_in=5, delay=5), 422, ["/expires_in"]),
    (_job(expires_in=60, run_at="2099-06-01T12:00:00Z"), 422, ["/run_at"]),
    (_job(priority="high"), 422, ["/priority"]),
    (_job(priority=None), 422, ["/priority"]),
    (_job(delay=-1), 422, ["/delay"]),
    (_job(delay="5"), 422, ["/delay"]),
    (_job(delay=None), 422, ["/delay"]),
    (_job(delay=366 * 86_400 + 1), 422, ["/delay"]),
    (_job(run_at="tomorrow"), 422, ["/run_at"]),
    (_job(run_at="2026-05-01T12:00:00"), 422, ["/run_at"]),
    (_job(run_at="2099-06-01T12:00:00Z"), 422, ["/run_at"]),
    (_job(run_at="0001-01-01T00:00:00+14:00"), 422, ["/run_at"]),
    (_job(run_at="2026-05-01T12:00:00Z", delay=1), 422, ["/run_at"]),
    (_job(max_attempts=0), 422, ["/max_attempts"]),
    (_job(max_attempts=101), 422, ["/max_attempts"]),
    (_job(max_attempts=2.5), 422, ["/max_attempts"]),
    (_job(max_attempts=3.0), 422, ["/max_attempts"]),
    (_job(max_attempts=True), 422, ["/max_attempts"]),
    (_job(timeout=0), 422, ["/timeout"]),
    (_job(timeout=86_401), 422, ["/timeout"]),
    (_job(tags="a"), 422, ["/tags"]),
    (_job(tags=["a"] * 17), 422, ["/tags"]),
    (_job(tags=["a", "", 5, "x" * 65]), 422, ["/tags/1", "/tags/2", "/tags/3"]),
    ({"task": "image.search", "payload": {}}, 422, ["/payload/query"]),
    ({"task": "image.search", "payload": {"query": 5, "a/b": 1}}, 422, ["/payload/query", "/payload/a~1b"]),
    ({"task": "image.search", "payload": {}, "delay": -1, "x": 1}, 422, ["/delay", "/x", "/payload/query"]),
    (_payload(b"NaN"), 422, ["/payload"]),
    (_payload(b'{"a":[1,-Infinity]}'), 422, ["/payload/a/1"]),
    (b'{"task":"noop","delay":Infinity}', 422, ["/delay"]),
    (b'{"task":"noop","delay":1e999}', 422, ["/delay"]),
    (_payload(b'{"a":1e999}'), 422, ["/payload/a"]),
    (_payload(b"1" * 400), 422, ["/payload"]),
    (_payload(rb'{"a":"\ud800"}'), 422, ["/payload/a"]),
    (_payload(rb'{"a":"\udc00\ud800"}'), 422, ["/payload/a"]),
    (_payload(rb'{"\ud800":1}'), 422, [r"/payload/\ud800"]),
    (_payload(rb'["\u0000"]'), 422, ["/payload/0"]),
    (rb'{"task":"noop","tags":["a\u0000"]}', 422, ["/tags/0"]),
    (_payload(DEEP), 422, ["/payload" + "/0" * 63]),
    (b"[" * 60_000, 422, ["/0" * 64]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "pointers"), BAD, ids=lambda value: str(value)[:60])
async def test_what_does_not_fit_is_refused_and_every_field_is_named(
    body: Any, status: int, pointers: list[str]
) -> None:
    rig = Rig()
    problem = await rig.refused(body)
    assert problem.kind.status == status
    assert {error.pointer for error in problem.errors} == set(pointers), problem.errors
    assert json.loads(problem.body("/jobs"))["status"] == status
    assert not rig.store.groups


GOOD = [
    _job(),
    _job(payload={"a": 2**70, "b": 1.5e308, "c": "\U0001f600"}),
    _payload(rb'"\ud83d\ude00 \\u0000"'),
    _payload(DEEP_ENOUGH),
    _job(delay=0, max_attempts=1, timeout=0.1, tags=["a"]),
    _job(delay=366 * 86_400, max_attempts=100, timeout=86_400, tags=["x" * 64] * 16),
    _job(run_at="2026-05-01T14:00:00+02:00"),
    _job(unique_key="x" * 200, priority="normal", expires_in=366 * 86_400),
    _job(expires_in=0.5, run_at="2026-05-01T11:00:00Z"),
    _job(expires_in=6, delay=5),
    {"task": "image.search", "payload": {"query": "$where", "count": 30}},
]


@pytest.mark.parametrize("body", GOOD, ids=lambda value: str(value)[:60])
async def test_what_fits_is_taken(body: Any) -> None:
    assert (await Rig().post(body)).is_new


async def test_a_payload_is_kept_as_its_own_text_without_the_space_between() -> None:
    rig = Rig()
    await rig.post(b'{"task": "any", "payload": {"b": 1.50,\r\n "a": 1e2, "a": 18446744073709551616}}')
    assert rig.store.jobs[0]["payload"] == '{"b":1.50,"a":1e2,"a":18446744073709551616}'


async def test_what_a_submission_leaves_out_comes_from_the_task() -> None:
    rig = Rig()
    await rig.post({"task": "image.search", "payload": {"query": "sea"}})
    await rig.post({"task": "image.search", "payload": {"query": "sea"}, "max_attempts": 9, "timeout": 7})
    first, second = rig.store.jobs
    assert (first["max_attempts"], first["timeout"]) == (3, 20)
    assert (second["max_attempts"], second["timeout"]) == (9, 7)


async def test_absent_fields_are_absent_and_never_null() -> None:
    rig = Rig()
    await rig.post(_job())
    assert None not in rig.store.jobs[0].values()
    optional = {"tags", "batch", "unique_key", "idempotency", "reason", "priority", "expire_by"}
    assert not optional & rig.store.jobs[0].keys()
    await rig.post(_job(priority="normal"))
    assert "priority" not in rig.store.jobs[1]


async def test_an_unknown_task_names_the_nearest_ones() -> None:
    problem = await Rig().refused({"task": "image-serch"})
    assert problem.kind.slug == "unknown-task"
    assert "image.search" in problem.detail


async def test_a_task_no_worker_can_load_is_shown_and_refused_with_its_error() -> None:
    rig = Rig()
    trouble = UnavailableView(worker="w-1", host="h", at=NOW, error="ModuleNotFoundError: No module 'x'")
    rig.tasks.troubles = [("broken", trouble), ("noop", trouble)]
    problem = await rig.refused({"task": "broken"})
    assert (problem.kind.slug, "No module 'x'" in problem.detail) == ("unknown-task", True)
    views = {view.name: view.unavailable for view in await rig.submissions._catalogue.views()}
    assert views == {"any": [], "broken": [trouble], "image.search": [], "noop": [trouble]}
    assert (await rig.post(_job())).is_new, "what some worker has described is taken, and waits"


async def test_a_task_that_has_just_come_is_found_by_another_look() -> None:
    rig = Rig()
    await rig.post(_job())
    rig.tasks.docs.append(task_doc("new"))
    assert (await rig.post({"task": "new"})).is_new


async def test_many_who_ask_for_nonsense_are_no_load_on_the_database() -> None:
    rig = Rig()
    await asyncio.gather(*(rig.refused({"task": "nope"}) for _ in range(50)))
    assert rig.tasks.reads <= 3


async def test_times_are_what_is_stored_to_the_millisecond() -> None:
    rig = Rig()
    await rig.post(_job())
    job = rig.store.jobs[0]
    assert job["created_at"].microsecond == 123_000
    assert job["created_at"] + timedelta(seconds=5) <= job["wake_at"] <= NOW + timedelta(seconds=5.3)
    assert job["wake_at"].microsecond % 1_000 == 0


async def test_a_job_for_later_waits_and_is_announced_without_asking_a_worker() -> None:
    rig = Rig()
    accepted = await rig.post(_job(delay=2.5))
    job = rig.store.jobs[0]
    assert (job["state"], job["reason"]) == ("waiting", "scheduled")
    assert job["wake_at"] == job["created_at"] + timedelta(seconds=2.5)
    assert json.loads(accepted.view)["wake_at"] is not None
    assert [told["_id"] for told in rig.announcer.told] == [accepted.job_id]


async def test_a_run_at_that_has_passed_means_now() -> None:
    rig = Rig()
    await rig.post(_job(run_at="2026-05-01T11:00:00Z"))
    assert rig.store.jobs[0]["state"] == "pending"


async def test_posts_that_come_while_one_insert_is_under_way_share_the_next() -> None:
    rig = Rig()
    await rig.post(_job())
    rig.store.open.clear()
    posts = [asyncio.create_task(rig.post(_job()))]
    await rig.waiting(0)
    posts += [asyncio.create_task(rig.post(_job())) for _ in range(39)]
    await rig.waiting(39)
    rig.store.open.set()
    accepted = await asyncio.gather(*posts)
    assert [len(group) for group in rig.store.groups] == [1, 1, 39]
    assert len({answer.job_id for answer in accepted}) == 40
    assert len({job["wake_at"] for job in rig.store.groups[-1]}) == 1


async def test_a_repeated_key_answers_with_the_first_job() -> None:
    rig = Rig()
    first = await rig.post(_job(), key="k")
    again = await rig.post(_job(), key="k")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.job_id == first.job_id
    assert len(rig.announcer.told) == 1


async def test_a_key_with_another_body_is_refused() -> None:
    rig = Rig()
    await rig.post(_job(), key="k")
    problem = await rig.refused(_job(delay=1), key="k")
    assert (problem.kind.slug, problem.kind.status) == ("idempotency-key-reused", 422)


async def test_of_equal_keys_in_one_group_the_first_wins() -> None:
    rig = Rig()
    rig.store.open.clear()
    blocker = asyncio.create_task(rig.post(_job()))
    await rig.waiting(0)
    posts = [asyncio.create_task(rig.post(_job(), key="k")) for _ in range(3)]
    other = asyncio.create_task(rig.refused(_job(delay=1), key="k"))
    await rig.waiting(4)
    rig.store.open.set()
    answers = await asyncio.gather(*posts)
    assert (await other).kind.slug == "idempotency-key-reused"
    assert [answer.is_new for answer in answers] == [True, False, False]
    assert len({answer.job_id for answer in answers}) == 1
    assert rig.store.looks == 1
    assert (await blocker).is_new


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_must_have_a_sensible_length(key: str) -> None:
    assert (await Rig().refused(_job(), key=key)).kind.status == 422


async def test_a_database_that_is_away_is_told_to_everybody_in_the_group() -> None:
    rig = Rig()
    await rig.post(_job())
    rig.store.is_away = True
    posts = [asyncio.create_task(rig.post(_job())) for _ in range(5)]
    for outcome in await asyncio.gather(*posts, return_exceptions=True):
        assert isinstance(outcome, AutoReconnect)
    rig.store.is_away = False
    assert (await rig.post(_job())).is_new


async def test_nobody_waits_behind_a_stuck_group_and_a_later_one_recovers_by_itself() -> None:
    rig = Rig(patience=0.1)
    await rig.post(_job())
    rig.store.open.clear()
    posts = [asyncio.create_task(rig.refused(_job())) for _ in range(3)]
    await asyncio.sleep(0.05)
    posts += [asyncio.create_task(rig.refused(_job())) for _ in range(3)]
    async with asyncio.timeout(0.5):
        problems = await asyncio.gather(*posts)
    assert {(p.kind.status, p.headers["retry-after"]) for p in problems} == {(503, "2")}
    rig.store.open.set()
    assert (await rig.post(_job())).is_new


async def test_without_a_catalogue_nothing_can_be_judged_yet() -> None:
    rig = Rig()
    rig.tasks.is_away = True
    with pytest.raises(AutoReconnect):
        await rig.post(_job())


async def test_a_job_of_low_priority_waits_for_its_turn_and_asks_no_worker() -> None:
    rig = Rig()
    accepted = await rig.post(_job(priority="low"))
    job = rig.store.jobs[0]
    assert (job["state"], job["reason"], job["priority"]) == ("waiting", "low_priority", "low")
    assert job["wake_at"] >= job["created_at"] + timedelta(hours=1)
    assert json.loads(accepted.view)["priority"] == "low"


async def test_a_job_of_low_priority_for_later_first_waits_for_its_time() -> None:
    rig = Rig()
    await rig.post(_job(priority="low", delay=60))
    job = rig.store.jobs[0]
    assert (job["state"], job["reason"], job["priority"]) == ("waiting", "scheduled", "low")
    assert job["wake_at"] == job["created_at"] + timedelta(seconds=60)


@pytest.mark.parametrize("fields", [{}, {"priority": "low"}, {"delay": 1}])
async def test_a_job_is_looked_at_when_it_expires_if_not_before(fields: dict[str, Any]) -> None:
    rig = Rig()
    accepted = await rig.post(_job(expires_in=1.5, **fields))
    job = rig.store.jobs[0]
    assert job["expire_by"] == job["created_at"] + timedelta(seconds=1.5)
    assert job["wake_at"] == min(
        job["expire_by"], job["created_at"] + timedelta(seconds=fields.get("delay", 9))
    )
    assert json.loads(accepted.view)["expire_by"] is not None


async def test_a_job_cannot_expire_before_it_may_run() -> None:
    for run_at in ("2026-05-01T12:01:00.123Z", "2026-05-01T12:01:01Z"):
        problem = await Rig().refused(_job(expires_in=60, run_at=run_at))
        assert [error.pointer for error in problem.errors] == ["/expires_in"]
    assert (await Rig().post(_job(expires_in=60, run_at="2026-05-01T12:01:00.122Z"))).is_new


async def test_a_live_unique_key_answers_with_the_job_that_has_it() -> None:
    rig = Rig()
    first = await rig.post(_job(unique_key="u"))
    again = await rig.post({"task": "any", "payload": [], "unique_key": "u"}, key="other")
    assert (first.is_new, again.is_new, again.job_id) == (True, False, first.job_id)
    assert (await rig.post(_job(unique_key="v"))).is_new
    rig.store.jobs[0]["state"] = "succeeded"
    assert (await rig.post(_job(unique_key="u"))).is_new
    assert len(rig.announcer.told) == 3


async def test_an_idempotency_key_counts_before_a_unique_key() -> None:
    rig = Rig()
    first = await rig.post(_job(unique_key="u"), key="k")
    rig.store.jobs[0]["state"] = "failed"
    second = await rig.post(_job(unique_key="u"))
    assert second.is_new
    assert (await rig.post(_job(unique_key="u"), key="k")).job_id == first.job_id
    assert (await rig.refused(_job(unique_key="u", delay=1), key="k")).kind.slug == "idempotency-key-reused"


async def test_of_equal_unique_keys_in_one_group_the_first_wins_and_one_look_answers_the_others() -> None:
    rig = Rig()
    rig.store.open.clear()
    blocker = asyncio.create_task(rig.post(_job()))
    await rig.waiting(0)
    posts = [asyncio.create_task(rig.post(_job(unique_key="u"), key=key)) for key in (None, "a", "b", "a")]
    other = asyncio.create_task(rig.post(_job(unique_key="v")))
    await rig.waiting(5)
    rig.store.open.set()
    answers = await asyncio.gather(*posts)
    assert [answer.is_new for answer in answers] == [True, False, False, False]
    assert len({answer.job_id for answer in answers}) == 1
    assert rig.store.looks == 1
    assert (await blocker).is_new
    assert (await other).is_new


async def test_a_key_whose_first_sender_turns_out_to_be_a_repeat_goes_to_the_next() -> None:
    rig = Rig()
    first = await rig.post(_job(unique_key="u"), key="k")
    rig.store.jobs[0]["state"] = "succeeded"
    rig.store.open.clear()
    blocker = asyncio.create_task(rig.post(_job()))
    await rig.waiting(0)
    repeat = asyncio.create_task(rig.post(_job(unique_key="u"), key="k"))
    fresh = asyncio.create_task(rig.post(_job(unique_key="u")))
    await rig.waiting(2)
    rig.store.open.set()
    assert (await repeat).job_id == first.job_id
    assert (await fresh).is_new
    assert (await blocker).is_new


async def test_a_key_that_is_let_go_between_insert_and_look_is_tried_again() -> None:
    rig = Rig()
    await rig.post(_job(unique_key="u"))
    rig.store.vanish = 1
    assert not (await rig.post(_job(unique_key="u"))).is_new
    assert rig.store.looks == 2
    rig.store.vanish = 99
    assert (await rig.refused(_job(unique_key="u"))).kind.slug == "unavailable"


async def test_a_job_that_cannot_be_stored_costs_none_that_comes_with_it() -> None:
    rig = Rig()
    insert = rig.store.insert

    async def refuse(records: Sequence[dict[str, Any]]) -> set[int]:
        bad = [r for r in records if r["payload"] == '{"a":1}']
        # As a driver does that has sent a part of it already.
        lost = await insert([r for r in records if r not in bad][: 3 if bad else None])
        if bad:
            raise InvalidDocument("a bad one")
        return lost

    rig.store.insert = refuse  # type: ignore[method-assign]
    jobs = [_job(tags=[f"t{n}"]) for n in range(9)]
    jobs[4] = {"task": "any", "payload": {"a": 1}}
    answers = await asyncio.gather(*(rig.post(job) for job in jobs), return_exceptions=True)
    assert isinstance(answers.pop(4), InvalidDocument)
    assert all(isinstance(answer, Accepted) and answer.is_new for answer in answers)
    assert sorted(job["tags"][0] for job in rig.store.jobs) == [f"t{n}" for n in range(9) if n != 4]
    assert len(rig.announcer.told) == 8


@pytest.mark.parametrize("piece", [b"1,", b"{},", b'{"task":1},', b"[[],[]],"])
async def test_a_batch_of_very_many_items_is_refused_before_it_is_read(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafting = BatchDrafting(catalogue=Catalogue(store=FakeTasks()), now=lambda: NOW, job_limit=65_536)
    monkeypatch.setattr(drafting, "_envelopes", None)
    raw = b'{"jobs":[' + piece * (1_000_000 // len(piece)) + b"1]}"
    with pytest.raises(Problem) as refused:
        await drafting.read(raw, owner="default", traceparent=None)
    assert [error.pointer for error in refused.value.errors] == ["/jobs"]


async def test_a_batch_whose_jobs_hold_many_items_is_read() -> None:
    drafting = BatchDrafting(
        catalogue=Catalogue(store=FakeTasks(task_doc("any", {}))), now=lambda: NOW, job_limit=65_536
    )
    job = b'{"task":"any","payload":[' + b"1," * 30_000 + b'"],[1,"]}'
    _, drafts = await drafting.read(b'{"jobs":[' + job + b"," + job + b"]}", owner="x", traceparent=None)
    assert len(drafts) == 2

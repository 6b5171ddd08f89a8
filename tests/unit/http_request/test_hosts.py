"""A host that is down is left alone, and no other; nobody can have another's host left alone."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from job_worker.outbound import Target
from job_worker.tasks.errors import JobsOwnFault, JobsOwnTrouble, RateLimited
from job_worker.tasks.http_request import hosts as module
from job_worker.tasks.http_request.hosts import Hosts
from job_worker.upstream.circuit import Patience
from tests.support.upstreams import States, upstreams_in_memory

A, B = Target.of("https://a.example/x"), Target.of("https://b.example/")


class Rig:
    def __init__(self) -> None:
        self.states, self.calls = States(), 0
        upstreams = upstreams_in_memory(self.states, Patience(failures=3, probe_after=timedelta(seconds=30)))
        self.hosts = Hosts(upstreams, task="http.request")

    async def call(self, target: Target, outcome: Any, *, seconds: float = 30) -> Any:
        async def ask() -> Any:
            self.calls += 1
            if outcome == "hangs":
                await asyncio.Event().wait()
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return await self.hosts.call(
            target,
            job="job",
            owner="default",
            until=asyncio.get_running_loop().time() + seconds,
            ask=ask,
            is_down=lambda said: said == 503 or isinstance(said, JobsOwnTrouble),
        )


async def test_a_host_that_is_down_is_left_alone_and_no_other() -> None:
    rig = Rig()
    for _ in range(2):
        with pytest.raises(JobsOwnTrouble):
            await rig.call(A, JobsOwnTrouble("not reached"))
    assert await rig.call(A, 503) == 503, "a call that was made ends as it did, and its attempt counts"
    with pytest.raises(RateLimited) as left_alone:
        await rig.call(A, 200)
    assert timedelta(seconds=10) < left_alone.value.until < timedelta(seconds=60)
    assert rig.calls == 3
    assert await rig.call(B, 200) == 200


async def test_neither_refusals_nor_impatience_open_the_breaker_of_a_host() -> None:
    rig = Rig()
    for _ in range(10):
        with suppress(JobsOwnFault, RateLimited):
            await rig.call(A, JobsOwnFault("404"))
        with suppress(TimeoutError, RateLimited):
            await rig.call(A, "hangs", seconds=0.001)
    assert rig.calls == 20, "nobody is sent away"
    assert await rig.call(A, 200) == 200


async def test_a_host_that_never_answers_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENT", 0.0)
    rig = Rig()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await rig.call(A, "hangs", seconds=0.01)
    with pytest.raises(RateLimited):
        await rig.call(A, 200)


@pytest.mark.parametrize("trouble", ["is_away", "hangs"])
async def test_a_job_waits_while_mongodb_cannot_say_whether_to_call(trouble: str) -> None:
    rig = Rig()
    setattr(rig.states, trouble, True)
    with pytest.raises(RateLimited):
        await rig.call(A, 200, seconds=0.05)
    assert rig.calls == 0


async def test_a_worker_knows_a_bounded_number_of_hosts_and_stores_none_that_is_well() -> None:
    rig = Rig()
    for number in range(module.MAX_HOSTS + 50):
        await rig.call(Target.of(f"https://h{number}.example/"), 200)
    assert len(rig.hosts) == module.MAX_HOSTS
    assert rig.states.parts == {}

"""A token is for now: one that was long on its way is thrown away."""

from datetime import UTC, datetime, timedelta
from typing import Any

from job_worker.upstream.account import Account, Granted, Wait
from job_worker.upstream.quota import USE_WITHIN, Quota
from job_worker.upstream.uses import Key, Rate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeAccount:
    """An account whose store takes as long as it is told."""

    def __init__(self, *seconds: float) -> None:
        self.account = Account(rates=(Rate(5, timedelta(minutes=1)),), keys=(Key("k"),))
        self.time, self._seconds = 0.0, list(seconds)

    async def change(self, decide: Any) -> Any:
        self.account, answer = decide(self.account, NOW + timedelta(seconds=self.time))
        self.time += self._seconds.pop(0) if self._seconds else 0
        return answer


def quota_on(account: FakeAccount) -> Quota:
    return Quota(account, timeout=timedelta(seconds=10), clock=lambda: account.time)  # type: ignore[arg-type]


async def test_a_token_that_came_too_late_is_thrown_away_and_counts() -> None:
    account = FakeAccount(USE_WITHIN.total_seconds())
    assert isinstance(await quota_on(account).take(job="j", owner="o", reserve=True), Granted)
    assert len(account.account.keys[0].uses) == 2


async def test_a_use_counts_from_the_last_moment_at_which_it_can_arrive() -> None:
    account = FakeAccount()
    await quota_on(account).take(job="j", owner="o", reserve=True)
    (use,) = account.account.keys[0].uses
    assert use.by == NOW + timedelta(seconds=10) + USE_WITHIN


async def test_a_wait_is_told_however_long_it_took() -> None:
    account = FakeAccount(*[0.0] * 5, 60.0)
    quota = quota_on(account)
    for number in range(5):
        await quota.take(job=f"j{number}", owner="o", reserve=True)
    assert isinstance(await quota.take(job="late", owner="o", reserve=True), Wait)

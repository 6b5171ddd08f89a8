"""What the api shows of a stored upstream."""

from datetime import UTC, datetime, timedelta
from typing import Any

from job_contracts.upstreams import QuotaView, upstream_view

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def use(*, ago: timedelta) -> dict[str, Any]:
    return {"at": NOW - ago, "by": NOW - ago}


def stored(*keys: dict[str, Any], **fields: Any) -> dict[str, Any]:
    rates = [{"limit": 5, "seconds": 60.0}]
    return {
        "_id": "unsplash",
        "tasks": ["image.search"],
        "quota": {"rates": rates, "keys": [{"used": True, **key} for key in keys], "queue": []},
        **fields,
    }


def quota_of(document: dict[str, Any]) -> QuotaView:
    quota = upstream_view(document, NOW).quota
    assert quota is not None
    return quota


def test_an_unused_quota_is_whole() -> None:
    quota = quota_of(stored({"uses": []}))
    assert (quota.limit, quota.remaining, quota.resets_at) == (5, 5, None)


def test_the_oldest_use_says_when_the_next_call_comes_back() -> None:
    quota = quota_of(stored({"uses": [use(ago=MINUTE / 2), use(ago=MINUTE / 3), use(ago=2 * MINUTE)]}))
    assert (quota.remaining, quota.resets_at) == (3, NOW + MINUTE / 2)


def test_a_call_under_way_counts_from_now() -> None:
    quota = quota_of(stored({"uses": [{"at": NOW - MINUTE / 60, "by": NOW + MINUTE / 4, "token": "t"}]}))
    assert (quota.remaining, quota.resets_at) == (4, NOW + MINUTE)


def test_keys_are_counted_together_and_blocked_ones_have_nothing() -> None:
    blocked = {"uses": [], "blocked_until": NOW + MINUTE / 2}
    quota = quota_of(stored({"uses": [use(ago=MINUTE / 4)]}, blocked))
    assert (quota.limit, quota.remaining, quota.resets_at) == (10, 4, NOW + MINUTE / 2)


def test_keys_of_other_settings_are_not_counted() -> None:
    assert quota_of(stored({"uses": []}, {"used": False, "uses": []})).limit == 5


def test_of_several_rates_the_one_is_shown_that_leaves_least() -> None:
    document = stored({"uses": [use(ago=2 * MINUTE)] * 8})
    document["quota"]["rates"].append({"limit": 10, "seconds": 600.0})
    quota = quota_of(document)
    assert (quota.limit, quota.window_seconds, quota.remaining) == (10, 600.0, 2)


def test_an_upstream_without_a_quota_has_a_breaker() -> None:
    view = upstream_view({"_id": "http:example.org", "tasks": ["http.request"]}, NOW)
    assert view.quota is None
    assert view.breaker.state == "closed"


def test_an_open_breaker_says_since_when_why_and_when_it_is_tried() -> None:
    opened: dict[str, Any] = {
        "since": NOW - MINUTE,
        "reason": "it is down",
        "wait": 10.0,
        "probe_at": NOW + MINUTE / 6,
    }
    breaker = upstream_view(stored({"uses": []}, circuit={"ends": [], "opened": opened}), NOW).breaker
    assert (breaker.state, breaker.since, breaker.retry_at) == ("open", NOW - MINUTE, NOW + MINUTE / 6)
    opened |= {"probe": "t", "probe_until": NOW + MINUTE}
    assert upstream_view(stored({"uses": []}, circuit={"opened": opened}), NOW).breaker.state == "half_open"
    opened |= {"probe_until": NOW}
    assert upstream_view(stored({"uses": []}, circuit={"opened": opened}), NOW).breaker.state == "open"

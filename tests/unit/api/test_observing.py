"""Gauges of the whole, from the figures of GET /stats."""

from prometheus_client.parser import text_string_to_metric_families
from pymongo.errors import ServerSelectionTimeoutError

from api.observing import Observing
from api.statistics import Stats
from job_contracts.upstreams import BreakerView, QuotaView, UpstreamView
from service_chassis.metrics import Metrics


class _Figures:
    def __init__(self) -> None:
        self.lag: dict[str, int] | None = {"jobs": 7}
        self.away = False

    async def stats(self) -> Stats:
        if self.away:
            raise ServerSelectionTimeoutError("nobody there")
        return Stats(
            jobs={"pending": 3},
            tasks={},
            oldest_pending_seconds=1.5,
            finished_last_minute=0,
            lag=self.lag,
            workers=[],
            pauses={},
            no_worker={},
            upstreams=[
                UpstreamView(
                    name="unsplash",
                    tasks=["image.search"],
                    quota=QuotaView(limit=50, window_seconds=3_600, remaining=12, resets_at=None, waiting=3),
                    breaker=BreakerView(state="open", since=None, retry_at=None, reason="it is down"),
                )
            ],
            streams=0,
        )


def _samples(metrics: Metrics) -> dict[str, str]:
    families = text_string_to_metric_families(metrics.text().decode())
    wanted = (
        "jobs",
        "oldest_pending_seconds",
        "consumer_lag",
        "upstream_quota_remaining",
        "upstream_breaker_open",
    )
    return {
        f"{s.name} {' '.join(s.labels.values())}".strip(): str(s.value)
        for family in families
        for s in family.samples
        if s.name in wanted
    }


async def test_figures_become_gauges() -> None:
    metrics = Metrics()
    await Observing(figures=_Figures(), metrics=metrics).look()
    assert _samples(metrics) == {
        "jobs pending": "3.0",
        "oldest_pending_seconds": "1.5",
        "consumer_lag jobs": "7.0",
        "upstream_quota_remaining unsplash": "12.0",
        "upstream_breaker_open unsplash": "1.0",
    }


async def test_what_cannot_be_known_now_is_not_shown_as_before() -> None:
    metrics, figures = Metrics(), _Figures()
    observing = Observing(figures=figures, metrics=metrics)
    await observing.look()
    figures.lag = None
    await observing.look()
    assert "consumer_lag jobs" not in _samples(metrics)
    figures.away = True
    await observing.look()
    assert _samples(metrics) == {"oldest_pending_seconds": "nan"}

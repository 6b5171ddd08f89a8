"""What is counted of calls to upstreams."""

from service_chassis.metrics import Metrics


class Meters:
    """The counters; an upstream's name is cut at its first colon, or every host would be a series."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = metrics.counter(
            "upstream_calls_total", "Calls to others' services, by how they ended", "upstream", "end"
        )
        self._postponed = metrics.counter(
            "upstream_postponed_total", "Jobs that were sent away before a call", "upstream", "why"
        )
        self._answers = metrics.counter(
            "answers_total", "Answers given to jobs: asked for (miss), kept (hit), kept too long (stale)",
            "upstream", "cache",
        )  # fmt: skip

    def called(self, upstream: str, end: str) -> None:
        """A call has ended: it was `answered`, it `failed`, or there were too many (`limited`)."""
        self._calls.labels(_family(upstream), end).inc()

    def postponed(self, upstream: str, why: str) -> None:
        """No call was made, because of the `quota` or the `breaker`."""
        self._postponed.labels(_family(upstream), why).inc()

    def answered(self, upstream: str, cache: str) -> None:
        """A job has got its answer."""
        self._answers.labels(_family(upstream), cache).inc()


def _family(upstream: str) -> str:
    return upstream.partition(":")[0]

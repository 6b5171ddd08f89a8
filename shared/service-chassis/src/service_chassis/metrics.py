"""Metrics that every service has; a registry per app, so that two can live in one process."""

import asyncio

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The registry of one service and the meters the chassis itself uses."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.consumed = self.counter("messages_consumed_total", "Messages taken from Kafka", "topic")
        self.published = self.counter("messages_published_total", "Messages Kafka has acknowledged", "topic")
        self.publish_failures = self.counter(
            "publish_failures_total", "Publishes Kafka did not acknowledge", "topic"
        )
        self.dropped = self.counter(
            "messages_dropped_total", "Messages that were well formed and changed nothing", "topic", "reason"
        )
        self.retried = self.counter(
            "batch_retries_total", "Batches that were tried again after an outage", "topic"
        )
        self.batch_size = Histogram(
            "batch_size",
            "Messages handled in one round trip",
            ["topic"],
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=self.registry,
        )
        self.gauge(
            "asyncio_tasks", "Tasks alive in the event loop: what grows without end hangs"
        ).set_function(_tasks)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Register and return a counter."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Register and return a gauge."""
        return Gauge(name, text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, *labels: str) -> Histogram:
        """Register and return a histogram of seconds."""
        buckets = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


def _tasks() -> float:
    """Count the tasks of the running loop; 0 where none runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0

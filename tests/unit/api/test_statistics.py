"""GET /stats: bounded, however many jobs there are."""

from datetime import UTC, datetime
from typing import Any

from pymongo.errors import ExecutionTimeout

from api.statistics import COUNTED_TO, Statistics
from job_contracts.record import Collection

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeCursor:
    """Finds nothing, whatever is asked."""

    def __init__(self, bounds: set[str]) -> None:
        self._bounds = bounds

    def __getattr__(self, name: str) -> Any:
        def bounded(*_: Any) -> "FakeCursor":
            self._bounds.add(name)
            return self

        return bounded

    async def to_list(self, _: None) -> list[Any]:
        assert {"limit", "max_time_ms"} <= self._bounds, "each reading has a limit and a time"
        return []


class FakeMongo:
    """Cannot count all jobs in time."""

    def __init__(self) -> None:
        self.counted: list[dict[str, Any]] = []

    def now(self) -> datetime:
        return NOW

    def collection(self, _: Collection) -> "FakeMongo":
        return self

    async def aggregate(self, _: Collection, __: Any, **options: Any) -> list[Any]:
        assert options["maxTimeMS"] <= 1_000
        if options.get("hint") == "no_worker":
            return []
        raise ExecutionTimeout("operation exceeded time limit", 50)

    async def distinct(self, *_: Any, **options: Any) -> list[str]:
        assert options["maxTimeMS"] <= 1_000
        return ["noop"]

    async def count_documents(self, query: dict[str, Any], **options: Any) -> int:
        assert options["maxTimeMS"] <= 1_000
        return min(int(options["limit"]), 10_000_000 if query["state"] == "succeeded" else 3)

    def find(self, *_: Any) -> FakeCursor:
        return FakeCursor(set())


class NoKafka:
    """Has no lag."""

    async def ends(self, _: str) -> dict[str, int]:
        return {}

    async def committed(self, _: str) -> dict[str, int]:
        return {}


async def no_upstreams() -> list[Any]:
    return []


async def test_jobs_that_are_too_many_are_counted_up_to_a_bound() -> None:
    parts: dict[str, Any] = {"mongo": FakeMongo(), "offsets": NoKafka()}
    statistics = Statistics(owner="local", streams=lambda: 0, upstreams=no_upstreams, **parts)
    stats = await statistics.stats()
    assert stats.counted_to == COUNTED_TO
    assert stats.tasks["noop"]["succeeded"] == COUNTED_TO, "at least so many"
    assert stats.tasks["noop"]["failed"] == 3, "a small figure is exact all the same"

"""What may befall a job: each scenario is explored to its last state."""

from collections.abc import Mapping
from typing import Any, Final

from tests.model.exploring import Scenario
from tests.model.state import Budget


def _scenario(name: str, options: str = "", **chances: Any) -> Scenario:
    given = {k: chances.pop(k) for k in ("begins", "expires", "workers", "dispatchers") if k in chances}
    return Scenario(name, Budget(**chances), options=frozenset(options.split()), **given)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        _scenario("crashes", crash=2, duplicate=1),
        _scenario("two dispatchers", dispatchers=2, crash=1),
        _scenario("a frozen worker", freeze=1),
        _scenario("a thread that cannot be ended", "threads", freeze=1),
        _scenario("a hanging loop", hang=1),
        _scenario("a lost answer", doubt=1, freeze=1, workers=1),
        _scenario("a forgotten lease", crash=1, forget=1),
        _scenario("a worker told to end", leave=1),
        _scenario("a worker told to end and a crash", leave=1, crash=1),
        _scenario("an outage of Kafka", away=2, crash=1),
        _scenario("an outage of MongoDB", "outage", outage=1, cancel=1),
        _scenario("Kafka loses a message", "patience", loss=1, crash=1),
        _scenario("Kafka loses an outcome", "outcomes", loss=1),
        _scenario("a crash of mongod", rollback=1, crash=1),
        _scenario("a full worker", "copies", full=1),
        _scenario("a full worker and a crash", "copies", full=1, crash=1),
        _scenario("a rate limit", rate=1, cancel=1),
        _scenario("a cancel", cancel=1, crash=1),
        _scenario("a cancel of a delayed job", begins="scheduled", dispatchers=2, cancel=1),
        _scenario("a redrive", redrive=1, cancel=1, workers=1),
        _scenario(
            "a redrive of an expired job", begins="scheduled", expires=True, redrive=1, workers=1, crash=1
        ),
        _scenario("expiry", expires=True, workers=1, crash=1),
        _scenario("expiry and duplicates", expires=True, crash=1, duplicate=1),
        _scenario("a stranger", expires=True, forge=1, workers=1),
        _scenario("expiry of a full worker's job", "copies", expires=True, full=1, workers=1),
        _scenario("a pause", "pauses", pause=1, workers=1),
        _scenario("a pause and a crash", "pauses", pause=1, crash=1),
        _scenario("a pause of a delayed job", "pauses", begins="scheduled", expires=True, pause=2, away=1),
        _scenario("the brake", brake=1, workers=1, crash=1),
        _scenario("the brake and an outage of Kafka", brake=1, away=1),
        _scenario("no worker", "copies", unserved=1, workers=1),
        _scenario("no worker and a crash", "copies", unserved=1, workers=1, crash=1),
        _scenario(
            "no worker for a low job", "copies", begins="scheduled low", expires=True, unserved=2, workers=1
        ),
        _scenario(
            "no worker and two dispatchers", "copies", begins="scheduled", unserved=1, dispatchers=2, cancel=1
        ),
        _scenario("low priority", begins="scheduled low", workers=1, crash=1),
        _scenario("low priority with two dispatchers", begins="scheduled low", dispatchers=2, crash=1),
        _scenario("a low job that is paused", begins="low", pause=1, crash=1),
        _scenario("a new moment", begins="scheduled", workers=1, reschedule=1, pause=1, cancel=1),
        _scenario("a new priority", begins="low", expires=True, reschedule=2, workers=1),
        _scenario("a delete", delete=1, redrive=1, duplicate=1, workers=1),
        _scenario("a late redrive", redrive=1, crash=1),
        _scenario("retention", remove=1, redrive=1, crash=1, workers=1),
    )
}

SHORT: Final = (
    "a hanging loop",
    "a worker told to end",
    "a rate limit",
    "a cancel",
    "a cancel of a delayed job",
    "a redrive",
    "expiry",
    "a pause",
    "the brake",
    "no worker",
    "low priority",
    "a new moment",
    "a new priority",
)
"""Those that `make test` explores: among them they make every move."""

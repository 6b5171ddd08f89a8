"""What a probe is told."""

from service_chassis.health import Health, Status

UP, DOWN = Status(True, "connected"), Status(False, "no broker answers")


def test_a_service_is_ready_when_every_required_check_holds() -> None:
    health = Health(required={"mongo": lambda: UP, "kafka": lambda: UP})
    assert health.readiness() == (
        True,
        {
            "status": "ready",
            "checks": {
                "mongo": {"ok": True, "reason": "connected"},
                "kafka": {"ok": True, "reason": "connected"},
            },
        },
    )


def test_a_missing_requirement_says_which_and_why() -> None:
    ready, body = Health(required={"mongo": lambda: UP, "kafka": lambda: DOWN}).readiness()
    assert not ready
    assert body["checks"]["kafka"] == {"ok": False, "reason": "no broker answers"}


def test_losing_what_is_optional_degrades_but_keeps_the_traffic() -> None:
    ready, body = Health(required={"mongo": lambda: UP}, optional={"kafka": lambda: DOWN}).readiness()
    assert ready
    assert body["status"] == "degraded"


def test_a_service_whose_parts_have_not_all_begun_takes_no_traffic() -> None:
    ready, body = Health(required={"mongo": lambda: UP}, starting=True).readiness()
    assert (ready, body["status"]) == (False, "not ready")


def test_a_service_that_drains_takes_no_traffic() -> None:
    health = Health(required={"mongo": lambda: UP})
    health.draining = True
    assert health.readiness()[0] is False

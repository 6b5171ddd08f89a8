"""What /livez and /readyz answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Status(NamedTuple):
    """The state of one dependency."""

    ok: bool
    reason: str


Check = Callable[[], Status]


@dataclass
class Health:
    """Checks by name; a service is ready when every required one holds.

    Checks look at what the service already knows: a probe costs no round trip and
    cannot hang on a dead server.
    """

    required: dict[str, Check] = field(default_factory=dict)
    optional: dict[str, Check] = field(default_factory=dict)
    starting: bool = False
    """Whether some parts of the service have not begun yet: what its checks know is not all."""
    draining: bool = False

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Return whether to send traffic here, and the reasons for the body."""
        required = {name: check() for name, check in self.required.items()}
        optional = {name: check() for name, check in self.optional.items()}
        ready = not (self.starting or self.draining) and all(status.ok for status in required.values())
        degraded = not all(status.ok for status in optional.values())
        if self.draining:
            word = "draining"
        elif not ready:
            word = "not ready"
        else:
            word = "degraded" if degraded else "ready"
        checks = {name: {"ok": s.ok, "reason": s.reason} for name, s in {**required, **optional}.items()}
        return ready, {"status": word, "checks": checks}

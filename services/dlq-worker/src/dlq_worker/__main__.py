"""Runs the dlq worker: `python -m dlq_worker`, settings from the environment."""

import uvloop

from dlq_worker.main import NAME, create_app
from dlq_worker.settings import Settings
from service_chassis import failpoints
from service_chassis.environment import read
from service_chassis.logs import configure_logs


def main() -> None:
    """Read the settings and live until SIGTERM."""
    settings = read(Settings, of=NAME)
    configure_logs(settings.log, service=NAME)
    failpoints.arm(settings.failpoint)
    uvloop.run(create_app(settings).run())


if __name__ == "__main__":
    main()

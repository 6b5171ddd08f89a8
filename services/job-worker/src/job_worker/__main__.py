"""Runs the job worker with settings from the environment."""

import uvloop

from job_worker.main import NAME, create_app
from job_worker.settings import Settings
from job_worker.tasks.registry import installed_tasks
from service_chassis import failpoints
from service_chassis.enduring import run_on
from service_chassis.environment import read
from service_chassis.logs import configure_logs


def main() -> None:
    """Read the settings and live until SIGTERM."""
    settings = read(Settings, of=NAME)
    configure_logs(settings.log, service=NAME)
    failpoints.arm(settings.failpoint)
    installed = installed_tasks(settings.worker.open_within)
    run_on(uvloop.new_event_loop(), create_app(settings, installed).run())


if __name__ == "__main__":
    main()

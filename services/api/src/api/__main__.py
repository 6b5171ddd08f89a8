"""`python -m api`: reads the settings, and nothing else does."""

import uvloop

from api.main import create_app
from api.settings import Settings
from service_chassis import failpoints
from service_chassis.environment import read
from service_chassis.logs import configure_logs


def main() -> None:
    """Run the api until it is asked to end."""
    settings = read(Settings, of="api")
    configure_logs(settings.log, service="api")
    failpoints.arm(settings.failpoint)
    uvloop.run(create_app(settings).run())


if __name__ == "__main__":
    main()

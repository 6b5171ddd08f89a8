"""`python -m jobstream_setup`: create the topics, then end with 0; 1 when it could not."""

import asyncio
import logging
import sys

from job_contracts.topics import TOPICS
from jobstream_setup.topics import SetUpError, ensure
from service_chassis.logs import configure_logs
from service_chassis.settings import ServiceSettings

log = logging.getLogger("jobstream_setup")


def main() -> int:
    """Do it and say how it went."""
    settings = ServiceSettings()
    configure_logs(settings.log, service="setup")
    try:
        asyncio.run(ensure(TOPICS, settings.kafka))
    except SetUpError as error:
        log.error("setup.failed", extra={"reason": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

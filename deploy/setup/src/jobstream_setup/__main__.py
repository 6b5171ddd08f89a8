"""`python -m jobstream_setup`: create the topics and, if asked to, the users; end with 0, or 1 when it could not."""

import asyncio
import logging
import sys

from pymongo.errors import PyMongoError

from job_contracts.topics import TOPICS
from jobstream_setup import kafka_users, mongo_users
from jobstream_setup.admin import SetUpError, with_admin
from jobstream_setup.rights import RIGHTS
from jobstream_setup.settings import Settings
from jobstream_setup.topics import ensure
from service_chassis.environment import read
from service_chassis.logs import configure_logs

log = logging.getLogger("jobstream_setup")


async def set_up(settings: Settings) -> None:
    """Do what is to be done before the first service starts."""
    passwords = {
        str(service): password.get_secret_value() for service, password in settings.access.passwords.items()
    }
    if passwords:
        await mongo_users.make_users(settings.mongo, passwords, RIGHTS)
        await with_admin(settings.kafka, lambda admin: kafka_users.make_users(admin, passwords, RIGHTS))
        log.info("users.ready", extra={"users": sorted(passwords)})
    await ensure(TOPICS, settings.kafka)


def main() -> int:
    """Do it and say how it went."""
    settings = read(Settings, of="setup")
    configure_logs(settings.log, service="setup")
    try:
        asyncio.run(set_up(settings))
    except (SetUpError, PyMongoError) as error:
        log.error("setup.failed", extra={"reason": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

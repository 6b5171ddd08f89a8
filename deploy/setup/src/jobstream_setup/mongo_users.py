"""MongoDB's users: a role for each service with the actions it needs, made again each time without harm."""

from collections.abc import Mapping
from typing import Any

from pymongo import AsyncMongoClient

from jobstream_setup.rights import Rights, Service, privileges
from service_chassis.settings import MongoSettings


async def make_users(
    settings: MongoSettings, passwords: Mapping[str, str], rights: Mapping[Service, Rights]
) -> None:
    """Give each user its password and its role, in the database of the product."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        settings.uri.get_secret_value(), serverSelectionTimeoutMS=10_000, appname="jobstream-setup"
    )
    async with client:
        database = client[settings.database]
        for user, password in passwords.items():
            granted = [
                {"resource": {"db": settings.database, "collection": name}, "actions": list(actions)}
                for name, actions in privileges(rights[Service(user)]).items()
            ]
            there = (await database.command("rolesInfo", user))["roles"]
            verb = "updateRole" if there else "createRole"
            await database.command(verb, user, privileges=granted, roles=[])
            there = (await database.command("usersInfo", user))["users"]
            verb = "updateUser" if there else "createUser"
            await database.command(verb, user, pwd=password, roles=[{"role": user, "db": settings.database}])

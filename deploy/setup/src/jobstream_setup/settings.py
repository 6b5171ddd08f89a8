"""What an operator may tell the set-up step beside what every service knows."""

from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr

from jobstream_setup.rights import Service
from service_chassis.settings import Section, ServiceSettings


class AccessSettings(Section):
    """The users to be made."""

    model_config = ConfigDict(hide_input_in_errors=True)

    passwords: Annotated[
        dict[Service, SecretStr],
        Field(
            default_factory=dict,
            description="A JSON object, password by service: makes a user of Kafka and of MongoDB for each, with its "
            "rights alone; empty makes none",
        ),
    ]


class Settings(ServiceSettings):
    """Settings of the set-up step."""

    access: Annotated[AccessSettings, Field(default_factory=AccessSettings)]

"""What an operator may change about how any service runs; each default is argued for."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_chassis import failpoints


class MongoDriver(StrEnum):
    """Which client library talks to MongoDB; both pass the same tests."""

    PYMONGO = "pymongo"
    MOTOR = "motor"


def _seconds(value: Any) -> Any:
    """Read a bare number as seconds; the environment has text alone, which pydantic takes as ISO 8601 (`PT2S`).

    >>> _seconds("2.5"), _seconds("PT2S"), _seconds("name")
    (2.5, 'PT2S', 'name')
    """
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class _NumbersAreSeconds(BaseModel):
    @field_validator("*", mode="before")
    @classmethod
    def _read_durations(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields.get(info.field_name or "")
        return _seconds(value) if field is not None and field.annotation is timedelta else value


class Section(_NumbersAreSeconds):
    """A group of settings, read from `SECTION__FIELD`; durations are seconds or ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SharedSection(Section):
    """A section whose fields belong to several services: one environment serves them all, so each sees the others'."""

    model_config = ConfigDict(extra="ignore")


class SecurityProtocol(StrEnum):
    """How a connection to Kafka is protected, in Kafka's own words."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def is_encrypted(self) -> bool:
        """Whether it is TLS."""
        return self.endswith("SSL")

    @property
    def has_credentials(self) -> bool:
        """Whether the client says who it is."""
        return self.startswith("SASL")


class SaslMechanism(StrEnum):
    """How a client proves to Kafka who it is."""

    SCRAM_SHA_512 = "SCRAM-SHA-512"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    PLAIN = "PLAIN"


class KafkaSettings(Section):
    """How to reach Kafka."""

    model_config = ConfigDict(hide_input_in_errors=True)

    bootstrap_servers: Annotated[
        str, Field(description="Brokers to start from; the compose file's name for one")
    ] = "localhost:9092"
    security_protocol: Annotated[
        SecurityProtocol,
        Field(description="PLAINTEXT within one machine; SASL_SSL wherever others share the network"),
    ] = SecurityProtocol.PLAINTEXT
    sasl_mechanism: Annotated[
        SaslMechanism,
        Field(description="SCRAM never sends the password; some managed brokers know PLAIN alone, over TLS"),
    ] = SaslMechanism.SCRAM_SHA_512
    username: Annotated[str, Field(description="Each service has a user of its own, with its own rights")] = (
        ""
    )
    password: Annotated[SecretStr, Field(description="That user's; never shown in logs")] = SecretStr("")
    ca_file: Annotated[
        Path | None,
        Field(description="Whom to believe about brokers' certificates; by default the system's authorities"),
    ] = None
    request_timeout: Annotated[
        timedelta,
        Field(description="Longest wait for an acknowledgement; after it the record brings the job back"),
    ] = timedelta(seconds=10)
    session_timeout: Annotated[
        timedelta,
        Field(description="After this a dead consumer's partitions move; below the 10 s worker lease"),
    ] = timedelta(seconds=6)
    stuck_after: Annotated[
        timedelta,
        Field(
            description="A reader that gets nothing for this long, though messages wait, is made anew; after as long "
            "again the process ends"
        ),
    ] = timedelta(seconds=20)
    replication: Annotated[
        int, Field(ge=1, description="Copies of each partition; 1 suits one broker, production wants 3")
    ] = 1

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.security_protocol.has_credentials and not (self.username and self.password):
            raise ValueError(f"{self.security_protocol} needs KAFKA__USERNAME and KAFKA__PASSWORD")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError("KAFKA__CA_FILE names no file")
        return self


class MongoSettings(Section):
    """How to reach MongoDB."""

    uri: Annotated[
        SecretStr, Field(description="A replica set: majority writes need one, even of one node")
    ] = SecretStr("mongodb://localhost:27017/?replicaSet=rs0")
    database: Annotated[
        str, Field(description="One database holds everything, so one user needs rights on one")
    ] = "jobstream"
    driver: Annotated[
        MongoDriver,
        Field(description="PyMongo's own async client: Motor is past its end of life and twice as slow"),
    ] = MongoDriver.PYMONGO
    patience: Annotated[
        timedelta, Field(description="Longest search for a server before an operation counts as an outage")
    ] = timedelta(seconds=2)


class OpsSettings(Section):
    """Where /livez, /readyz and /metrics are served; never the public port."""

    host: Annotated[str, Field(description="Loopback unless a probe must reach it from outside")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="0 takes a free one and logs it")] = 0


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    TEXT = "text"


class LogSettings(Section):
    """What is logged and how."""

    level: Annotated[
        str,
        Field(
            pattern="^(DEBUG|INFO|WARNING|ERROR)$",
            description="INFO tells each change of state of the service, not of each job",
        ),
    ] = "INFO"
    format: Annotated[LogFormat, Field(description="JSON: one line a record, whatever a payload holds")] = (
        LogFormat.JSON
    )


class ServiceSettings(BaseSettings, _NumbersAreSeconds):
    """Settings every service has; each service adds its own sections."""

    model_config = SettingsConfigDict(env_nested_delimiter="__", frozen=True, extra="ignore")

    kafka: KafkaSettings = KafkaSettings()
    mongo: MongoSettings = MongoSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()
    shutdown_grace: Annotated[
        timedelta, Field(description="Time to finish after SIGTERM; below the 30 s orchestrators give")
    ] = timedelta(seconds=20)
    failpoint: Annotated[
        str,
        Field(
            pattern=failpoints.PATTERN,
            description="For tests of crashes alone: the place at which the process kills itself",
        ),
    ] = ""


class HostedImagesSettings(SharedSection):
    """Where the pictures lie that are shown from here; who stores them and who shows them read the same."""

    store_url: Annotated[
        str,
        Field(
            pattern=r"^$|^(file|s3|gs|az|memory)://",
            description="`file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`; empty: MongoDB, which every "
            "service reaches anyway",
        ),
    ] = ""

"""What an operator may change about how any service runs; each default is argued for."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pymongo.errors import ConfigurationError
from pymongo.uri_parser import parse_uri

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


LONGEST: Final = timedelta(days=36_500)
"""No setting may be longer: dates that far ahead can still be stored, and read by any client."""


class _NumbersAreSeconds(BaseModel):
    """Durations from text: seconds or ISO 8601, more than nothing unless the field allows zero by a `ge` of its own."""

    @field_validator("*", mode="before")
    @classmethod
    def _read_durations(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields.get(info.field_name or "")
        return _seconds(value) if field is not None and field.annotation is timedelta else value

    @field_validator("*")
    @classmethod
    def _durations_are_positive(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, timedelta):
            field = cls.model_fields[info.field_name or ""]
            if value <= timedelta(0) and not any(hasattr(m, "ge") for m in field.metadata):
                raise ValueError("must be longer than 0 seconds")
            if value > LONGEST:
                raise ValueError(f"must be at most {LONGEST.days} days")
        return value


class Section(_NumbersAreSeconds):
    """A group of settings, read from `SECTION__FIELD`; durations are seconds or ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SharedSection(Section):
    """A section whose fields belong to several services: one environment serves them all, so each sees the others'."""

    model_config = ConfigDict(extra="ignore")

    names: ClassVar[frozenset[str]] = frozenset()
    """The fields of all services together: what is none of them is a mistake."""

    @model_validator(mode="before")
    @classmethod
    def _is_known_to_somebody(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name in given:
                if name not in cls.names:
                    raise PydanticCustomError(UNKNOWN, "{name} is no such setting", {"name": name})
        return given


UNKNOWN: Final = "unknown_shared_setting"
"""Type of the error about a field that no service has."""


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

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        servers = [server.strip() for server in text.split(",")]
        for server in servers:
            if not _is_address(server):
                raise ValueError("must be host:port, several by commas, such as kafka-1:9092,kafka-2:9092")
        return ",".join(servers)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.security_protocol.has_credentials and not (self.username and self.password):
            raise ValueError(f"{self.security_protocol} needs KAFKA__USERNAME and KAFKA__PASSWORD")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError("KAFKA__CA_FILE names no file")
        return self


def _is_address(text: str) -> bool:
    """Whether it is a host and perhaps a port.

    >>> [_is_address(text) for text in ("kafka:9092", "[::1]:9092", "kafka", "", ":9092", "kafka:0", "a b:1")]
    [True, True, True, False, False, False, False]
    """
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return False
    is_plain = parts.netloc == text and "@" not in text and not any(c.isspace() for c in text)
    return bool(parts.hostname) and is_plain and port != 0


class MongoSettings(Section):
    """How to reach MongoDB."""

    model_config = ConfigDict(hide_input_in_errors=True)

    uri: Annotated[
        SecretStr, Field(description="A replica set: majority writes need one, even of one node")
    ] = SecretStr("mongodb://localhost:27017/?replicaSet=rs0")
    database: Annotated[
        str,
        Field(
            pattern=r'^[^/\\. "$*<>:|?\x00]{1,63}$',
            description="One database holds everything, so one user needs rights on one",
        ),
    ] = "jobstream"
    driver: Annotated[
        MongoDriver,
        Field(description="PyMongo's own async client: Motor is past its end of life and twice as slow"),
    ] = MongoDriver.PYMONGO
    patience: Annotated[
        timedelta, Field(description="Longest search for a server before an operation counts as an outage")
    ] = timedelta(seconds=2)

    @field_validator("uri")
    @classmethod
    def _is_an_address(cls, uri: SecretStr) -> SecretStr:
        text = uri.get_secret_value()
        try:
            # Only the form of the other scheme is looked at: to resolve its name would take the network.
            parse_uri(text.replace("mongodb+srv://", "mongodb://", 1), warn=False)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        except Exception:  # noqa: BLE001  the driver raises many kinds, which may quote the password
            raise ValueError(
                "must be mongodb://host:port/?replicaSet=name, user and password escaped"
            ) from None
        return uri


class OpsSettings(Section):
    """Where /livez, /readyz and /metrics are served; never the public port."""

    host: Annotated[
        str, Field(min_length=1, description="Loopback unless a probe must reach it from outside")
    ] = "127.0.0.1"
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


def must(holds: bool, what: str) -> None:
    """Refuse settings that contradict each other.

    Raises
    ------
    ValueError
        With this text, which names the variables.
    """
    if not holds:
        raise ValueError(f"{what} is needed")


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


class RetentionSection(SharedSection):
    """How long what has ended is kept; each service reads what it ends."""

    names: ClassVar = frozenset({"succeeded", "failed", "cancelled", "dead_letters", "batches"})


class HostedImagesSettings(SharedSection):
    """Where the pictures lie that are shown from here; who stores them and who shows them read the same."""

    names: ClassVar = frozenset(
        {
            "store_url",
            "sweep_every",
            "provider",
            "fresh_for",
            "stale_for",
            "public_url",
            "fetch_timeout",
            "grace",
        }
    )

    store_url: Annotated[
        str,
        Field(
            pattern=r"^$|^(file|s3|gs|az|memory)://",
            description="`file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`; empty: MongoDB, which every "
            "service reaches anyway",
        ),
    ] = ""

"""What an operator may change about the api."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from service_chassis.settings import HostedImagesSettings, RetentionSection, Section, ServiceSettings, must

OWNER: Final = "default"
"""Whom everything belongs to while there are no API keys."""


class HttpSettings(Section):
    """Where the api listens and how large a request may be."""

    host: Annotated[
        str,
        Field(
            min_length=1,
            description="Loopback: without API keys whoever reaches the port may do everything",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="0 takes a free one and logs it")] = 8000
    body_limit: Annotated[
        int,
        Field(
            ge=1_024,
            le=900 * 1024,
            description="Bytes of a request's body; larger things belong into a store of files, and messages on `jobs` "
            "end at 1 MiB",
        ),
    ] = 64 * 1024
    batch_limit: Annotated[
        int,
        Field(
            ge=1_024,
            le=16 * 1024 * 1024,
            description="Bytes of a batch's body; each job in it has the limit of a single one",
        ),
    ] = 1024 * 1024
    patience: Annotated[
        timedelta, Field(description="Longest wait for MongoDB before the answer is 503; below 3 s in all")
    ] = timedelta(seconds=2.3)
    long_patience: Annotated[
        timedelta,
        Field(description="A call about many jobs says after this how far it came; clients give up at 30 s"),
    ] = timedelta(seconds=10)
    waiting: Annotated[
        int,
        Field(
            ge=0,
            description="Requests that wait for a job at a time (`Prefer: wait`); the next are answered at once",
        ),
    ] = 1_000
    trusted_proxies: Annotated[
        str,
        Field(
            description="Addresses or networks, by commas, whose `X-Forwarded-For` is believed: the gateway's"
        ),
    ] = "127.0.0.1"
    hosts: Annotated[
        str,
        Field(
            description="Names by commas, without ports, that a `Host` may have besides loopback and its address: "
            "otherwise any website could point a name of its own here, and read everything"
        ),
    ] = ""
    origins: Annotated[
        str,
        Field(
            description="Websites by commas (`https://jobs.example.org`) whose pages may call, besides the page at the "
            "same `Host`: for a proxy that changes `Host`"
        ),
    ] = ""
    linger: Annotated[
        timedelta,
        Field(
            ge=timedelta(0),
            description="On SIGTERM it goes on for so long: gateways see `/readyz` fail, and are not refused yet",
        ),
    ] = timedelta(seconds=1)

    @property
    def host_names(self) -> frozenset[str]:
        """What `hosts` names."""
        return frozenset(self.hosts.split(",")) - {""}

    @property
    def origin_names(self) -> frozenset[str]:
        """What `origins` names."""
        return frozenset(self.origins.split(",")) - {""}

    @field_validator("hosts", "origins")
    @classmethod
    def _plain_names(cls, names: str) -> str:
        if "*" in names:
            raise ValueError("name each one: a pattern lets strangers in")
        return names.replace(" ", "").lower()

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, hops: str) -> str:
        for hop in filter(None, hops.replace(" ", "").split(",")):
            if hop == "*" or ip_network(hop).prefixlen == 0:
                raise ValueError("to believe everybody lets a client call itself what it likes")
        return hops.replace(" ", "")


class StreamSettings(Section):
    """How many live streams, and how each is treated."""

    most: Annotated[
        int,
        Field(
            ge=1,
            description="Streams of one replica; each costs about 15 KiB and a file descriptor, of which the last 128 "
            "are left alone",
        ),
    ] = 5_000
    most_per_address: Annotated[
        int,
        Field(ge=1, description="Streams of one address, loopback exempt: one client must not use up all"),
    ] = 1_000
    mailbox: Annotated[
        int, Field(ge=1, description="Jobs that may wait for a slow reader before it is told to read anew")
    ] = 2_000
    heartbeat: Annotated[
        timedelta,
        Field(
            lt=timedelta(seconds=45),
            description="A third of the 45 s after which a client takes its stream for dead",
        ),
    ] = timedelta(seconds=15)
    send_deadline: Annotated[
        timedelta, Field(description="A reader that takes nothing for this long is cut off")
    ] = timedelta(seconds=5)
    life: Annotated[
        timedelta, Field(description="Longest life of a stream, jittered, so that load moves to new replicas")
    ] = timedelta(minutes=10)
    replayed: Annotated[
        timedelta, Field(description="What a reader missed is sent again if it comes back within this time")
    ] = timedelta(minutes=5)
    replay_room: Annotated[
        int, Field(ge=1_024, description="Bytes of memory for that; what is older is dropped when it is full")
    ] = 64 * 1024 * 1024
    reconcile: Annotated[
        timedelta, Field(description="How often watched jobs are read anew: the bus alone is not trusted")
    ] = timedelta(seconds=10)


class AnnouncementSettings(Section):
    """What is published behind the answers."""

    buffer: Annotated[
        int,
        Field(ge=1, description="Jobs that may wait for Kafka; the dispatcher brings back what is dropped"),
    ] = 10_000


class RetentionSettings(RetentionSection):
    """How long jobs are kept after their end."""

    cancelled: Annotated[timedelta, Field(description="As for the other final states")] = timedelta(days=7)
    batches: Annotated[
        timedelta,
        Field(description="After its last job may begin: longer than jobs are kept, so a repeat finds it"),
    ] = timedelta(days=30)


class RedriveSettings(Section):
    """How often a failed job may be started anew."""

    limit: Annotated[
        int, Field(ge=1, description="A job that failed again after this many needs a person's `force`")
    ] = 3


class Settings(ServiceSettings):
    """Settings of the api, read from `HTTP__PORT` and friends."""

    http: HttpSettings = HttpSettings()
    streams: StreamSettings = StreamSettings()
    announcements: AnnouncementSettings = AnnouncementSettings()
    retention: RetentionSettings = RetentionSettings()
    redrive: RedriveSettings = RedriveSettings()
    images: HostedImagesSettings = HostedImagesSettings()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        must(self.http.body_limit <= self.http.batch_limit, "HTTP__BATCH_LIMIT of at least HTTP__BODY_LIMIT")
        must(self.http.linger < self.shutdown_grace, "HTTP__LINGER below SHUTDOWN_GRACE")
        return self

"""What an operator may change about calls to HTTP services."""

from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from job_worker.outbound import Allowed, BadUrlError, Policy, Target
from service_chassis.settings import Section

_SHORTEST = 8


def parts_of(text: str) -> list[str]:
    """Return what stands between commas.

    >>> parts_of("a, b,")
    ['a', 'b']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


class BoundSecret(Section):
    """A secret and the only places it is sent to."""

    model_config = ConfigDict(hide_input_in_errors=True)

    value: Annotated[
        SecretStr,
        Field(
            description="The whole value of a header, such as `Bearer …`; never in jobs, events, logs or answers"
        ),
    ]
    origins: Annotated[
        str,
        Field(
            description="Where it may be sent, commas between: `https://api.example.org`; a caller names the host, "
            "so this says which"
        ),
    ]

    @field_validator("value")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        # What cannot stand in a header would be quoted by the HTTP library's error, and so leak.
        if not all(" " <= char <= "~" for char in text):
            raise ValueError("has characters that no header has")
        if min(len(text), len(text.rpartition(" ")[2])) < _SHORTEST:
            raise ValueError(
                f"is too short to be found in answers and taken out: {_SHORTEST} characters at least"
            )
        return SecretStr(text)

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        origins = parts_of(text)
        if not origins:
            raise ValueError("a secret that may be sent nowhere is of no use")
        for origin in origins:
            try:
                target = Target.of(origin)
            except BadUrlError as error:
                raise ValueError(f"{origin!r}: {error}") from None
            if target.path != "/":
                raise ValueError(f"{origin!r} has a path: a secret is bound to scheme, host and port")
        return text

    def may_go_to(self, target: Target) -> bool:
        """Whether it may be sent there."""
        return target.origin in {Target.of(origin).origin for origin in parts_of(self.origins)}


class HttpRequestSection(Section):
    """What the task `http.request` may do."""

    model_config = ConfigDict(hide_input_in_errors=True)

    allow: Annotated[
        str,
        Field(
            description="Called besides public addresses at 80 and 443, commas between: `billing.internal:8080`, "
            "`10.1.0.0/16:443`, `[fd12::/16]:*`. Nothing private by default: callers choose the URL"
        ),
    ] = ""
    public: Annotated[
        bool, Field(description="Whether every public address may be called; false: those in ALLOW alone")
    ] = True
    response_limit: Annotated[
        int,
        Field(
            ge=0, le=512 * 1024, description="Bytes of an answer, unpacked: half of what a result may have"
        ),
    ] = 256 * 1024
    ca_file: Annotated[
        Path | None,
        Field(description="Authorities of one's own services, to be believed besides the usual ones"),
    ] = None
    secrets: dict[str, BoundSecret] = Field(
        default_factory=dict, description="By name: callers say the name, workers alone know the value"
    )

    @field_validator("allow")
    @classmethod
    def _is_a_list(cls, text: str) -> str:
        for entry in parts_of(text):
            Allowed.of(entry)
        return text

    @field_validator("ca_file")
    @classmethod
    def _is_there(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_file():
            raise ValueError("names no file")
        return file

    @property
    def policy(self) -> Policy:
        """What may be called."""
        return Policy(allowed=[Allowed.of(entry) for entry in parts_of(self.allow)], public=self.public)


class HttpRequestSettings(BaseSettings):
    """Settings of the task, read from `HTTP_REQUEST__ALLOW` and friends."""

    # A refused secret must not be quoted by the error that refuses it.
    model_config = SettingsConfigDict(
        env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    http_request: HttpRequestSection = HttpRequestSection()

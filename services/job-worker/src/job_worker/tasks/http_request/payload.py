"""What is asked of a call: the schema refuses at the door what it can, the guard the rest when it is called."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from job_worker.outbound import BadUrlError, Target

MOST_HEADERS: Final = 50

_RESERVED: Final = (
    *("host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "upgrade"),
    *("expect", "accept-encoding", "traceparent", "forwarded", "x-real-ip"),
)
"""Headers that frame the message, or that those on the way put in."""

_RESERVED_BEGINNINGS: Final = ("proxy-", "x-forwarded-")

_CREDENTIALS: Final = ("authorization", "cookie", "x-api-key", "api-key", "x-auth-token")
"""Headers that carry nothing but secrets: their value is given by name."""


def _any_case(name: str) -> str:
    """Return a pattern for a header's name, which JSON Schema has no flag for.

    >>> _any_case("te-1")
    '[Tt][Ee]-1'
    """
    return "".join(f"[{char.upper()}{char}]" if char.isalpha() else char for char in name)


_NAME: Final = (
    f"^(?!(?:{'|'.join(map(_any_case, _RESERVED))})$|{'|'.join(map(_any_case, _RESERVED_BEGINNINGS))})"
    r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
)
_VALUE: Final = r"^(?:[!-~](?:[ -~]*[!-~])?)?$"
_SMALL_NAME: Final = "^[a-z][a-z0-9_]{0,63}$"
_STATUS: Final = r"^(?:[1-5]xx|[1-5][0-9]{2}-[1-5][0-9]{2})$"
_URL: Final = r"^[Hh][Tt][Tt][Pp][Ss]?://[!\"$-.0->A-\[\]-~]+(?:[/?][!\"$-\[\]-~]*)?$"


class Method(StrEnum):
    """The methods of HTTP that a job may use."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Secret(BaseModel):
    """A value that the operator has given to the workers, named and never shown."""

    model_config = ConfigDict(extra="forbid")

    secret: Annotated[
        str,
        Field(pattern=_SMALL_NAME, description="Its name in small letters, such as billing_token"),
    ]


def _check_headers(headers: dict[str, Any]) -> dict[str, Any]:
    for name, value in headers.items():
        if not re.fullmatch(_NAME.removesuffix("$"), name):
            raise ValueError(f"{name[:100]!r} is no header that a job may set")
        if name.lower() in _CREDENTIALS and not isinstance(value, Secret):
            raise ValueError(f'the value of {name} is given by name: {{"secret": "…"}}')
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header stands twice, in capital and in small letters")
    return headers


def _secret_or(*types: str) -> dict[str, Any]:
    return {
        "type": ["object", *types],
        "required": ["secret"],
        "properties": {"secret": {"type": "string", "pattern": _SMALL_NAME}},
        "additionalProperties": False,
    }


Headers = Annotated[
    dict[str, Annotated[str, Field(pattern=_VALUE, max_length=4_096)] | Secret],
    AfterValidator(_check_headers),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MOST_HEADERS,
            "propertyNames": {"pattern": _NAME},
            "patternProperties": {f"^(?:{'|'.join(map(_any_case, _CREDENTIALS))})$": _secret_or()},
            # Keywords for text do not look at objects, nor those for objects at text: no anyOf, and so clear errors.
            "additionalProperties": _secret_or("string") | {"pattern": _VALUE, "maxLength": 4_096},
        }
    ),
    Field(max_length=MOST_HEADERS),
]

_JSON: Final[TypeAdapter[Any]] = TypeAdapter(Any)

Status = Annotated[int, Field(ge=100, le=599, strict=True)] | Annotated[str, Field(pattern=_STATUS)]


class RequestPayload(BaseModel):
    """Whom to call, with what, and which answer is a good one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"required": ["json"], "properties": {"json": {"not": {"type": "null"}}}},
            "then": {"properties": {"body": {"type": "null"}}},
        },
    )

    url: Annotated[
        str,
        Field(
            title="URL",
            max_length=8_192,
            pattern=_URL,
            description="Public addresses at port 80 or 443, and what the operator allows. Secrets do not belong here",
            examples=["https://api.example.org/invoices"],
            json_schema_extra={"format": "uri"},
        ),
    ]
    method: Annotated[
        Method, Field(description="Another attempt repeats it with the same Idempotency-Key")
    ] = Method.GET
    headers: Annotated[
        Headers,
        Field(
            description="By name. A value is text, or the name of a secret that the operator has bound to this address",
            examples=[{"Authorization": {"secret": "billing_token"}, "X-Kind": "invoice"}],
        ),
    ] = {}
    json_body: Annotated[
        Any,
        Field(alias="json", title="JSON", description="Sent as JSON; null: none", examples=[{"amount": 12}]),
    ] = None
    body: Annotated[
        str | None, Field(description="Sent as text; not together with json", examples=["amount=12"])
    ] = None
    expect: Annotated[
        list[Status],
        Field(
            min_length=1,
            max_length=20,
            description="Status codes of a good answer: 201, 2xx or 200-204",
            examples=[["2xx", 404]],
        ),
    ] = ["2xx"]
    timeout: Annotated[
        float,
        Field(gt=0, le=3_600, description="Seconds for the whole answer; the job's own limit holds as well"),
    ] = 30.0
    redirects: Annotated[
        int,
        Field(
            ge=0,
            le=5,
            description="How many to follow; each is checked like the first, and takes no secret elsewhere",
        ),
    ] = 0

    @field_validator("url")
    @classmethod
    def _means_one_thing(cls, url: str) -> str:
        try:
            return Target.of(url).url
        except BadUrlError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.json_body is not None and self.body is not None:
            raise ValueError("json and body exclude each other")
        return self

    def expects(self, status: int) -> bool:
        """Whether an answer with this status is a good one.

        >>> payload = RequestPayload(url="https://example.org", expect=["2xx", 404, "500-503"])
        >>> [status for status in (199, 204, 404, 405, 503, 504) if payload.expects(status)]
        [204, 404, 503]
        """
        return any(_fits(status, expected) for expected in self.expect)

    def content(self) -> tuple[bytes | None, str]:
        """Return the bytes to send, None for none, and their type."""
        if self.json_body is not None:
            return _JSON.dump_json(self.json_body), "application/json"
        return (None, "") if self.body is None else (self.body.encode(), "text/plain; charset=utf-8")


def _fits(status: int, expected: int | str) -> bool:
    if isinstance(expected, int):
        return status == expected
    if expected.endswith("xx"):
        return status // 100 == int(expected[0])
    first, _, last = expected.partition("-")
    return int(first) <= status <= int(last)

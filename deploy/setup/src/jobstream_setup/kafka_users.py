"""Kafka's users: SCRAM credentials and access control lists, made again each time without harm."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from jobstream_setup.admin import SetUpError
from jobstream_setup.rights import Rights, Service

_SCRAM_SHA_512: Final = 2
_ITERATIONS: Final = 8192
_LITERAL: Final = 3
_ALLOW: Final = 3

Acl = tuple[int, str, int, str, str, int, int]
"""Resource type, its name, pattern, principal, host, operation, permission: as Kafka wants it."""


class _Resource(IntEnum):
    TOPIC = 2
    GROUP = 3


class _Operation(IntEnum):
    READ = 3
    WRITE = 4
    DESCRIBE = 8


def acls(user: str, rights: Rights) -> Iterator[Acl]:
    """Yield the list entries that give a user its rights."""
    wanted = [
        *((_Resource.TOPIC, name, _Operation.READ) for name in rights.reads),
        *((_Resource.TOPIC, name, _Operation.WRITE) for name in rights.writes),
        *((_Resource.TOPIC, name, _Operation.DESCRIBE) for name in rights.looks_at),
        *((_Resource.GROUP, name, _Operation.READ) for name in rights.joins),
        *((_Resource.GROUP, name, _Operation.DESCRIBE) for name in rights.follows),
    ]
    for kind, name, operation in wanted:
        yield int(kind), str(name), _LITERAL, f"User:{user}", "*", int(operation), _ALLOW


async def make_users(
    admin: AIOKafkaAdminClient, passwords: Mapping[str, str], rights: Mapping[Service, Rights]
) -> None:
    """Give each user its password and its rights.

    Raises
    ------
    SetUpError
        Kafka said no: the one who asks is no super user, or no authorizer is configured.
    """
    answer = await admin._send_request(_AlterScram(passwords))  # noqa: SLF001  the client has no public call for it
    for name, code, message, _ in answer.results:
        _judge(f"the user {name}", code, message)
    entries = [acl for user in passwords for acl in acls(user, rights[Service(user)])]
    answer = await admin._send_request(_CreateAcls(entries))  # noqa: SLF001  nor for lists of entries
    for acl, (code, message) in zip(entries, answer.creation_responses, strict=True):
        _judge(f"the rights of {acl[3]} on {acl[1]}", code, message)


def _judge(what: str, code: int, message: str | None) -> None:
    if code:
        error = for_code(code)
        if error.retriable:
            raise error(what)
        raise SetUpError(f"Kafka refused {what}: {error.__name__} {message or ''}".strip())


class _AlterScramResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScramRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterScramResponse
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScram(Request[_AlterScramRequest]):  # type: ignore[misc]
    """KIP-554: the password itself never travels, only what SCRAM makes of it (RFC 5802, Hi)."""

    API_KEY = 51

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = passwords

    def build(self, request_struct_class: type[_AlterScramRequest]) -> _AlterScramRequest:
        """Return what goes over the wire."""
        upsertions: list[tuple[Any, ...]] = []
        for name, password in self._passwords.items():
            salt = os.urandom(24)
            salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
            upsertions.append((name, _SCRAM_SHA_512, _ITERATIONS, salt, salted, {}))
        return request_struct_class([], upsertions, {})


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]
    """The client's own request of this name takes one entry at a time."""

    API_KEY = 30

    def __init__(self, entries: list[Acl]) -> None:
        self._entries = entries

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> Any:
        """Return what goes over the wire."""
        return request_struct_class(self._entries)
